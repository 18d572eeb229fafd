"""Compiled programs, explained: does each node get the concept that it is known to carry?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.compiled.compiler import Compiled
from algoscope.compiled.graph import Node
from algoscope.explanation.concepts import NOTHING, both
from algoscope.explanation.explanation import Carried, Explanation
from algoscope.explanation.inputs import Inputs, read_inputs, read_language
from algoscope.explanation.lexicon import numbered
from algoscope.model.component import Component, heads_and_mlps

COMPARED = 3000
"""Inputs, at most, on which partitions are compared."""


@dataclass(frozen=True)
class Judged:
    """What was said of one node whose program is known."""

    component: Component
    position: int
    said: str
    """The concept; empty where nothing was said."""
    right: bool
    """At least as fine as what matters, and no finer than what is computed."""
    exact: bool
    """Exactly what matters."""

    def __str__(self) -> str:
        verdict = "exact" if self.exact else "right" if self.right else "WRONG"
        return f"{verdict:6} {self.component} at {self.position}: {self.said or '-'}"


@dataclass(frozen=True)
class Known:
    """An explanation, judged node by node."""

    nodes: tuple[Judged, ...]
    """Those that carry something which matters."""
    idle: tuple[Judged, ...]
    """Places of components that compute nothing for the program; right: nothing is said of them."""


def judged(compiled: Compiled, explanation: Explanation) -> Known:
    """Each node of a compiled model, and what an explanation says of it."""
    inputs = _inputs(compiled)
    true = {(node.component, node.position): node for node in compiled.graph.nodes}
    found = [
        _judged(compiled, node, explanation, inputs)
        for node in true.values()
        if node.component.layer >= 0 and _varies(compiled.matters(node)(inputs.tokens))
    ]
    idle = [
        _judged_idle(component, position, explanation, inputs)
        for component in heads_and_mlps(compiled.model.config)
        for position in range(inputs.tokens.shape[1])
        if (component, position) not in true
    ]
    return Known(tuple(found), tuple(idle))


def between(found: Int[Tensor, "row"], matters: Int[Tensor, "row"], computes: Int[Tensor, "row"]) -> bool:
    """Whether a partition tells all rows apart that matter, and none that are computed alike."""
    return refines(found, matters) and refines(computes, found)


def refines(fine: Int[Tensor, "row"], coarse: Int[Tensor, "row"]) -> bool:
    """Whether rows that agree on the first agree on the second."""
    fine, coarse = numbered(fine), numbered(coarse)
    pairs = numbered(fine * (int(coarse.max()) + 1) + coarse)
    return int(pairs.max()) == int(fine.max())


def _inputs(compiled: Compiled) -> Inputs:
    task = compiled.task
    tokens = task.every_input()
    if tokens is None:
        tokens = task.sample(COMPARED, seed=1).tokens
    chosen = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))[:COMPARED]
    examples = task.examples(tokens[chosen])
    return read_inputs(examples, read_language(task, examples, compiled.program.causal))


def _judged(compiled: Compiled, node: Node, explanation: Explanation, inputs: Inputs) -> Judged:
    said = _said(explanation, node.component, node.position, inputs)
    matters = compiled.matters(node)(inputs.tokens)
    there = matters >= 0
    matters, computes = matters[there], compiled.computes(node)(inputs.tokens)[there]
    codes = _codes(said, inputs, node.position)[there]
    fits = between(codes, matters, computes)
    exact = fits and refines(matters, codes)
    return Judged(node.component, node.position, said.concept if said and said.factors else "", fits, exact)


def _judged_idle(component: Component, position: int, explanation: Explanation, inputs: Inputs) -> Judged:
    said = _said(explanation, component, position, inputs)
    silent = not _varies(_codes(said, inputs, position)[inputs.real[:, position]])
    return Judged(component, position, "" if silent or said is None else said.concept, silent, silent)


def _said(explanation: Explanation, component: Component, position: int, inputs: Inputs) -> Carried | None:
    """What is said of a component at a position, if anything."""
    covering = (
        each
        for each in explanation.nodes
        if each.node.component == component and bool(each.node.place.of(inputs)[:, position].any())
    )
    return next(covering, None)


def _codes(said: Carried | None, inputs: Inputs, position: int) -> Int[Tensor, "batch"]:
    concept = reduce(both, said.factors) if said and said.factors else NOTHING
    return concept.of(inputs)[:, position]


def _varies(codes: Int[Tensor, "row"]) -> bool:
    return len(codes[codes >= 0].unique()) > 1


def lines(known: Known) -> Iterator[str]:
    """What was said of each node, and of idle ones what should not have been."""
    yield from map(str, known.nodes)
    yield from (
        f"IDLE   {each.component} at {each.position}: {each.said}" for each in known.idle if not each.right
    )
