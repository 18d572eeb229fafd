"""From a model and a task to the smallest faithful circuit, with how far it may be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.discovery.circuits.circuit import Circuit, Curve, circuit, curve, worth
from algoscope.discovery.circuits.contrast import Contrast, ablated, resampled
from algoscope.discovery.circuits.exact import exact
from algoscope.discovery.circuits.gradients import eap, eap_ig_activations, eap_ig_inputs
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.places import Places, absolute, from_answer, from_end
from algoscope.discovery.circuits.pruning import pruning
from algoscope.discovery.circuits.scores import Method
from algoscope.discovery.circuits.smallest import overlap, rival, smallest
from algoscope.discovery.circuits.stability import STABLE, stability
from algoscope.errors import UserError
from algoscope.model.component import Component
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples, Task

METHODS: Mapping[str, Method] = {
    "pruning": pruning,
    "exact": exact,
    "eap": eap,
    "eap-ig-inputs": eap_ig_inputs,
    "eap-ig-activations": eap_ig_activations,
}
PATCHINGS = ("resample", "mean", "mean everywhere", "zero")
APART: Mapping[str, Callable[[Examples, Task], Places | None]] = {
    "no": lambda examples, task: None,
    "start": lambda examples, task: absolute(examples),
    "answer": lambda examples, task: from_answer(examples),
    "end": lambda examples, task: from_end(examples, task.pad),
}
"""Whether positions are told apart, and from where they are counted."""
SAME = 0.5
"""Overlap below which an equally faithful circuit is another one: most edges of the two differ."""


@dataclass(frozen=True)
class Found:
    """The smallest circuit that a search came to, and what speaks for and against it."""

    method: str
    patching: str
    faithful: float
    """What was asked for."""
    inputs: int
    edges: int
    """How many edges the whole model has."""
    parts: tuple[Component, ...]
    """Every component of the model, those that no edge of the circuit touches too."""
    circuit: Circuit
    """Measured on the inputs that were searched on."""
    fresh: Circuit
    """The same edges on as many other inputs."""
    worth: Mapping[Edge, float]
    """By how much faithfulness falls when one edge of the circuit is cut too."""
    curve: Curve
    stability: float
    """Over bootstrap samples of what one search measured; see `stability.stability` for what it can't say."""
    rival: Circuit
    """The most different circuit found that is as faithful."""
    overlap: float
    """Of it with this one, as a share of all edges that either has."""

    @property
    def stable(self) -> bool:
        """Whether other examples would have led to much the same edges."""
        return self.stability >= STABLE

    @property
    def unique(self) -> bool:
        """Whether no circuit was found that is as faithful with mostly other edges."""
        return self.overlap >= SAME


def contrasts(
    model: Transformer, task: Task, patching: str, inputs: int, seed: int, apart: str = "no"
) -> tuple[Contrast, Contrast]:
    """Two contrasts on different inputs of the task: to search on, and to test what was found.

    "resample" takes the task's pairs; the others cut edges to a mean over the inputs, or to zero. `apart`
    says whether the positions of an edge are told apart, and counted from where. Raises UserError where the
    task gives no pairs.
    """
    if apart not in APART:
        raise UserError(f"positions are {apart!r}: choose from {', '.join(APART)}")
    if patching not in PATCHINGS:
        raise UserError(f"patching is {patching!r}: choose from {', '.join(PATCHINGS)}")
    if patching != "resample":
        examples = task.sample(2 * inputs, seed)
        parts = slice(inputs), slice(inputs, None)
        places = APART[apart](examples, task)
        on, off = (
            ablated(model, examples[part], patching, places=places[part] if places else None)
            for part in parts
        )
        return on, off
    one, other = task.contrasts(2 * inputs, seed)
    if len(one) < 2:
        raise UserError(
            f"the task {task.name} gives no two pairs of inputs that are answered differently: define "
            "`contrasts`, or patch with mean or zero"
        )
    # Pairs may come by kind, and always the same way round.
    order = torch.randperm(len(one), generator=torch.Generator().manual_seed(seed)).tolist()
    middle = len(order) // 2
    halves = order[:middle], order[middle:]
    places = APART[apart](one, task)
    searched, fresh = (
        resampled(model, *_either_way_round(one[half], other[half]), places=places[half] if places else None)
        for half in halves
    )
    return searched, fresh


def _either_way_round(one: Examples, other: Examples) -> tuple[Examples, Examples]:
    """The pairs, every second one swapped: what tells two inputs apart may differ from either side."""
    swapped = torch.arange(len(one)) % 2 == 1
    return _chosen(swapped, other, one), _chosen(swapped, one, other)


def _chosen(first: Bool[Tensor, "batch"], one: Examples, other: Examples) -> Examples:
    """Each input from `one` where `first` says so, else from `other`, answered at the same places."""
    rows = first[one.row_example]
    return Examples(
        torch.where(first[:, None], one.tokens, other.tokens),
        torch.where(rows[:, None] if one.sets else rows, one.labels, other.labels),
        {},
        one.answered,
        one.position_ids,
    )


def find(contrast: Contrast, fresh: Contrast, patching: str, method: str, faithful: float) -> Found:
    """The smallest circuit found that is within 1 - `faithful` of the whole model's faithfulness, 1."""
    if method not in METHODS:
        raise UserError(f"method is {method!r}: choose from {', '.join(METHODS)}")
    scores = METHODS[method](contrast)
    kept = smallest(contrast, scores, faithful)
    other = rival(contrast, kept, scores, faithful)
    edges = contrast.graph.of(kept)
    return Found(
        method,
        patching,
        faithful,
        len(contrast.patched.examples),
        len(contrast.graph.edges),
        contrast.graph.parts,
        circuit(contrast, edges),
        circuit(fresh, edges),
        worth(contrast, edges),
        curve(contrast, scores),
        stability(scores, len(edges)),
        circuit(contrast, contrast.graph.of(other)),
        overlap(kept, other),
    )
