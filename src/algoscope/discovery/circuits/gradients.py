"""Edge attribution patching: what cutting an edge would do, by a gradient; and its integrated forms.

Attribution patching multiplies the gradient of the measure at a receiver's input with the difference between
what the sender writes and what would stand in its place. One backward pass scores every edge. The gradient
may be averaged along a way from nothing to everything (integrated gradients), since a single one misleads
where a softmax or a norm is saturated. Sources: Syed, Rager and Conmy 2023 (EAP); Hanna, Pezzelle and
Belinkov 2024 (EAP-IG); Marks et al. 2024 (the form that moves one sender at a time).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.patched import Patched, Run
from algoscope.discovery.circuits.plan import Kept
from algoscope.discovery.circuits.replaced import written
from algoscope.discovery.circuits.scores import Scores, from_examples
from algoscope.model.component import POSITION, TOKEN

STEPS = 5
"""Points along the way; five are usual."""


def eap(contrast: Contrast) -> Scores:
    """Edge attribution patching, from one backward pass."""
    return from_examples(contrast.graph, "EAP", _attributed(contrast, contrast.every[None]))


def eap_ig_inputs(contrast: Contrast, steps: int = STEPS) -> Scores:
    """EAP with gradients averaged as the embeddings go from what is in their place to what they are."""
    masks = contrast.every.repeat(steps, 1)
    from_embedding = [edge.sender in (TOKEN, POSITION) for edge in contrast.graph.edges]
    masks[:, from_embedding] = _way(contrast, steps)[:, None]
    return from_examples(contrast.graph, "EAP-IG (inputs)", _attributed(contrast, masks) / steps)


def eap_ig_activations(contrast: Contrast, steps: int = STEPS) -> Scores:
    """EAP with, for each sender, gradients averaged as its own output goes from nothing of it to all."""
    graph = contrast.graph
    effects = torch.zeros(len(graph.edges), len(contrast.patched.examples), device=contrast.every.device)
    for sender in graph.senders:
        own = torch.tensor([edge.sender == sender for edge in graph.edges], device=effects.device)
        masks = contrast.every.repeat(steps, 1)
        masks[:, own] = _way(contrast, steps)[:, None]
        effects[own] = _attributed(contrast, masks)[own] / steps
    return from_examples(graph, "EAP-IG (activations)", effects)


def _way(contrast: Contrast, steps: int) -> Float[Tensor, "step"]:
    """Points between 0 and 1, each in the middle of its step."""
    return (torch.arange(steps, device=contrast.every.device) + 0.5) / steps


def _attributed(contrast: Contrast, masks: Kept) -> Float[Tensor, "edge example"]:
    """Gradient times difference of each edge, summed over positions and over the masks."""
    patched = contrast.patched
    moved = written(patched.model, patched.examples).outputs - patched.replaced.outputs
    with torch.enable_grad():
        run = Run(patched, patched.plan(masks.clone().requires_grad_()))
        total = contrast.measured(run.logits()).sum()
        streams = list({id(stream): stream for stream in run.read.values()}.values())
        found = torch.autograd.grad(total, streams, allow_unused=True)
        by_stream = {id(stream): gradient for stream, gradient in zip(streams, found, strict=True)}
    effects = torch.zeros(len(contrast.graph.edges), len(patched.examples), device=masks.device)
    where = _one_hot(patched)
    for place, stream in run.read.items():
        gradient, own = by_stream[id(stream)], run.plan.readings[place].which[place].unique()
        if gradient is not None:
            edges = contrast.graph.inputs[place]
            at = None if gradient.shape[2] == moved.shape[2] else run.at
            senders = _at(moved[: (edges.stop - edges.start) // where.shape[2]], 2, at)
            by_position = torch.einsum("bsd,nbsd->nbs", gradient[own].sum(0), senders)
            effects[edges] = torch.einsum("nbs,bsp->npb", by_position, _at(where, 1, at)).flatten(0, 1)
    return effects


def _one_hot(patched: Patched) -> Float[Tensor, "batch seq place"]:
    """1 for the place of each position; a single place where none are told apart."""
    tokens = patched.examples.tokens
    if patched.places is None:
        return patched.model.W_E.new_ones(*tokens.shape, 1)
    return functional.one_hot(patched.places.where, len(patched.places.names)).to(patched.model.W_E)


def _at(value: Tensor, axis: int, at: Int[Tensor, "position"] | None) -> Tensor:
    """At the positions at which a receiver was run."""
    return value if at is None else value.index_select(axis, at)
