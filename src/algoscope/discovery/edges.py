"""Which component passes on to which what makes two inputs be answered differently? Path patching.

An edge is patched by giving one receiver the sender's output on another input, while every other reader of
the stream still gets the sender's own. What then reaches the answer went along this edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.analysis.components import component_names
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import logit_difference
from algoscope.interventions.sources import Add
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.model.sites import Cache
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

ANSWER = "answer"


@dataclass(frozen=True)
class Edge:
    """A sender (`embedding`, `0.0`, `MLP 0`) and a later receiver (`1.1`, `MLP 1`, or `answer`)."""

    sender: str
    receiver: str
    effect: float
    """Logits by which the answer moves from the one input's towards the other's along this edge alone."""


@dataclass(frozen=True)
class Edges:
    """All direct edges between components, measured on pairs of inputs."""

    edges: tuple[Edge, ...]
    gap: float
    """The mean difference of the answer's logit difference between the two inputs of a pair."""
    pairs: int

    def strong(self, share: float) -> tuple[Edge, ...]:
        """The edges whose effect is at least this share of the gap, the strongest first.

        None at all if there is no gap in favour of the class, and so nothing that edges could carry.
        """
        found = [edge for edge in self.edges if 0 < share * self.gap <= edge.effect]
        return tuple(sorted(found, key=lambda edge: -edge.effect))


def edges(model: Transformer, examples: Examples, partners: Examples, towards: int = 0) -> Edges:
    """How much of the difference between each example and its partner passes along each direct edge.

    Pairs stand in the same row and should differ in what matters only, so that positions line up. Effects
    are means over pairs of the fall of the logit difference in favour of class `towards` (that of the
    examples). They need not add up to the gap: later edges carry again what earlier ones did. A head
    receives through its queries, keys and values together.
    """
    examples, partners = examples.to(model.W_E.device), partners.to(model.W_E.device)
    deltas, clean = _deltas(model, examples.tokens, partners.tokens)
    pairs = edge_names(model)
    patches = [_patch(model, clean, deltas[sender], receiver) for sender, receiver in pairs]
    metric = logit_difference(towards)
    found = sweep(model, examples, patches, metric)
    with torch.no_grad():
        there = metric(
            model(partners.tokens)[:, partners.answer][None], torch.zeros(()), partners.labels
        ).item()
    start = found.clean.item()
    falls = (start - found.values).tolist()
    measured = tuple(Edge(*names, effect) for names, effect in zip(pairs, falls, strict=True))
    return Edges(measured, start - there, len(examples))


def edge_names(model: Transformer) -> list[tuple[str, str]]:
    """Every sender with every receiver that reads the stream after it has written."""
    config = model.config
    found = []
    for layer in range(config.n_layers):
        before = component_names(model, layer)
        heads = [str(Head(layer, index)) for index in range(config.n_heads)]
        found += [(sender, head) for head in heads for sender in before]
        if config.d_mlp:
            found += [(sender, f"MLP {layer}") for sender in (*before, *heads)]
    return found + [(sender, ANSWER) for sender in component_names(model, config.n_layers)]


@torch.no_grad()
def _deltas(
    model: Transformer, tokens: Int[Tensor, "batch seq"], partners: Int[Tensor, "batch seq"]
) -> tuple[Mapping[str, Float[Tensor, "batch seq d_model"]], Cache]:
    """How each component's output on the partner differs from its own; and the examples' cache."""
    wanted = ("hook_embed", "attn.hook_z", "hook_mlp_out", "hook_resid_mid")
    (_, there), (_, here) = (
        model.run_with_cache(each, lambda name: name.endswith(wanted)) for each in (partners, tokens)
    )
    deltas = {"embedding": there["hook_embed"] - here["hook_embed"]}
    for layer in range(model.config.n_layers):
        at = f"blocks.{layer}"
        z = there[f"{at}.attn.hook_z"] - here[f"{at}.attn.hook_z"]
        results = einsum(
            z, model.W_O[layer], "batch seq head d_head, head d_head d_model -> head batch seq d_model"
        )
        deltas |= {str(Head(layer, index)): result for index, result in enumerate(results)}
        if model.config.d_mlp:
            deltas[f"MLP {layer}"] = there[f"{at}.hook_mlp_out"] - here[f"{at}.hook_mlp_out"]
    return deltas, here


def _patch(
    model: Transformer, clean: Cache, delta: Float[Tensor, "batch seq d_model"], receiver: str
) -> tuple[Intervention, ...]:
    """What adds the difference to one receiver's input and to nobody else's."""
    if receiver == ANSWER:
        return (Intervention(f"blocks.{model.config.n_layers - 1}.hook_resid_post", Add(delta)),)
    if receiver.startswith("MLP "):
        layer = int(receiver.removeprefix("MLP "))
        block, mid = model.block(layer), clean[f"blocks.{layer}.hook_resid_mid"]
        assert block.ln2 is not None, "a receiving MLP has a norm, or what stands in its place"
        # An MLP's input has no site of its own, so the change is put in where it becomes one of neurons.
        changed = block.ln2.normalize(mid + delta) - block.ln2.normalize(mid)
        return (Intervention(f"blocks.{layer}.mlp.hook_pre", Add(changed @ model.W_in[layer])),)
    head = Head.parse(receiver)
    return tuple(
        Intervention(f"blocks.{head.layer}.hook_{letter}_input", Add(delta[:, :, None]), head=head.index)
        for letter in "qkv"
    )
