"""Which nodes matter at all? The others are idle: what they put out may be that of any other input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from algoscope.explanation.places import (
    MOST,
    Node,
    Place,
    by_segment,
    everywhere,
    from_end,
    positions,
    without,
)
from algoscope.explanation.rows import rows
from algoscope.explanation.trial import Bench, Change, Stage, first_stage, stages
from algoscope.model.component import heads_and_mlps

IDLE_KL = 0.02
"""Nats a mean answer; below it a node is idle, if also hardly an input is answered otherwise."""
IDLE_CHANGED = 0.01
BLOCK = 6
"""Positions that are tried together first."""
MAJOR = 0.3
"""Share of a component's greatest effect that makes a position one of its own places."""
MAJOR_KL = 0.1
"""Nats below which it is none, however little the others do."""
RUN = 4
"""So many such positions in a row are one place."""


@dataclass(frozen=True, eq=False)
class Importances:
    """What each node is worth, by putting its outputs on other inputs in place of its own."""

    changes: dict[Node, Change]
    idle: frozenset[Node]


def idle(change: Change) -> bool:
    """Whether so little comes of it that a node does not matter."""
    return change.kl < IDLE_KL and change.changed <= IDLE_CHANGED


def importances(bench: Bench, seed: int) -> Importances:
    """Every node of the model with its importance, alone; idle are those that do not matter even together."""
    generator = Generator().manual_seed(seed)
    found: dict[Node, Change] = {}
    for stage in stages(bench):
        for component in filter(stage.here, heads_and_mlps(bench.pool.model.config)):

            def worth(place: Place) -> Change:
                return _change(stage, Node(component, place), generator)  # noqa: B023

            for place in _places(bench, worth):
                found[Node(component, place)] = worth(place)
    return Importances(found, _jointly_idle(bench, found, generator))


def _places(bench: Bench, worth: Callable[[Place], Change]) -> list[Place]:
    """Segments where inputs are answered at many places; else those that matter most, less, and the rest."""
    inputs = bench.pool.inputs
    if len(bench.pool.examples.answer_positions) > MOST or inputs.language.shifted:
        return [place for place in by_segment(inputs.language) if place.of(inputs).any()]
    ends = [place for place in from_end(inputs) if worth(place).kl >= MAJOR_KL]
    length = inputs.tokens.shape[1]
    alone: dict[int, Change] = {}
    for start in range(0, length, BLOCK):
        block = range(start, min(start + BLOCK, length))
        if not idle(worth(without(positions(block), ends))):
            alone |= {each: worth(without(positions([each]), ends)) for each in block}
    most = max((change.kl for change in alone.values()), default=0.0)
    major = [each for each, change in alone.items() if change.kl >= max(MAJOR_KL, MAJOR * most)]
    minor = [each for each, change in alone.items() if each not in major and not idle(change)]
    parts = [*runs(major), *([minor] if minor else [])]
    single = [without(positions(part), ends) for part in parts]
    return [*ends, *single, without(everywhere(len(ends) + len(single)), [*ends, *single])]


def runs(which: Sequence[int]) -> list[list[int]]:
    """Each position alone, but RUN or more in a row as one.

    >>> runs([1, 5, 6, 7, 8, 9, 20])
    [[1], [5, 6, 7, 8, 9], [20]]
    """
    found: list[list[int]] = []
    for each in which:
        if found and each == found[-1][-1] + 1:
            found[-1].append(each)
        else:
            found.append([each])
    return [part for run in found for part in ([run] if len(run) >= RUN else [[each] for each in run])]


def _change(stage: Stage, node: Node, generator: Generator) -> Change:
    """What comes of a node's outputs on other inputs, any of them, in place of its own."""
    own = rows(stage.bench.pool, node.place, len(stage.bench))
    if not own.tested:
        return Change(0.0, 0.0)
    other = own.others(torch.zeros_like(own.identity), generator)[: own.tested]
    values = stage.value(node.component)[own.where][other]
    return stage.change_if(node.component, own.where[: len(stage.bench)], values)


def _jointly_idle(bench: Bench, changes: dict[Node, Change], generator: Generator) -> frozenset[Node]:
    """As many of the least nodes as do nothing together, then each further one that adds nothing to them."""
    order = sorted(
        (node for node, change in changes.items() if idle(change)),
        key=lambda node: (changes[node].kl, changes[node].changed),
    )
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if idle(_together(bench, order[:middle], generator)):
            low = middle
        else:
            high = middle - 1
    kept = order[:low]
    for node in order[low:]:
        if idle(_together(bench, [*kept, node], generator)):
            kept = [*kept, node]
    return frozenset(kept)


def _together(bench: Bench, nodes: Sequence[Node], generator: Generator) -> Change:
    stage: Stage | None = first_stage(bench)
    found = Change(0.0, 0.0)
    while stage is not None:
        for node in nodes:
            if stage.here(node.component):
                stage = swapped(stage, node, None, generator)
        found, stage = stage.change, stage.next()
    return found


def swapped(stage: Stage, node: Node, codes: Tensor | None, generator: Generator) -> Stage:
    """With a node's outputs on other rows that agree on its codes (any rows without) in place of its own."""
    own = rows(stage.bench.pool, node.place, len(stage.bench))
    if not len(own.identity):
        return stage
    other = own.others(torch.zeros_like(own.identity) if codes is None else codes, generator)
    return stage.put(node.component, own.where, stage.value(node.component)[own.where][other])
