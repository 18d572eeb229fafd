"""Which nodes matter at all? The others are idle: what they put out may be that of any other input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from algoscope.explanation.partners import partners
from algoscope.explanation.places import MOST, Node, Place, by_segment, others, positions
from algoscope.explanation.trial import Bench, Change, Stage, first_stage, rows
from algoscope.model.component import Component, heads_and_mlps

IDLE_KL = 0.02
"""Nats a mean answer; below it a node is idle, if also hardly an input is answered otherwise."""
IDLE_CHANGED = 0.01
BLOCK = 6
RUN = 4
"""Positions that are tried together first."""


@dataclass(frozen=True, eq=False)
class Importances:
    """What each node is worth, by putting its outputs on other inputs in place of its own."""

    nodes: tuple[Node, ...]
    changes: tuple[Change, ...]
    idle: frozenset[Node]


def idle(change: Change) -> bool:
    """Whether so little comes of it that a node does not matter."""
    return change.kl < IDLE_KL and change.changed <= IDLE_CHANGED


def importances(bench: Bench, identity: Int[Tensor, "batch seq"], seed: int) -> Importances:
    """Every node of the model with its importance, alone; idle are those that do not matter even together."""
    generator = Generator().manual_seed(seed)
    stages = tuple(_stages(bench))
    found: list[tuple[Node, Change]] = []
    for component in heads_and_mlps(bench.pool.model.config):
        stage = _stage_of(stages, component)

        def worth(place: Place, component: Component = component, stage: Stage = stage) -> Change:
            node = Node(component, place)
            return _swapped(stage, node, identity, generator).change

        for place in _places(bench, worth):
            found.append((Node(component, place), worth(place)))
    return Importances(
        tuple(node for node, _ in found),
        tuple(change for _, change in found),
        _jointly_idle(bench, found, identity, generator),
    )


def _places(bench: Bench, worth: object) -> list[Place]:
    """Segments where inputs are answered at many positions; else each position that matters, and the rest."""
    assert callable(worth)
    language = bench.pool.inputs.language
    answers = bench.pool.examples.answer_positions
    if len(answers) > MOST or language.shifted:
        return [place for place in by_segment(language) if place.of(bench.pool.inputs).any()]
    length = bench.pool.inputs.tokens.shape[1]
    alone: list[int] = []
    for start in range(0, length, BLOCK):
        block = range(start, min(start + BLOCK, length))
        if not idle(worth(positions(block))):
            alone += [each for each in block if not idle(worth(positions([each])))]
    places = [positions(run) for run in runs(alone)]
    return [*places, others(frozenset(alone))] if len(alone) < length else places


def runs(positions: Sequence[int]) -> list[list[int]]:
    """Each position alone, but RUN or more in a row as one.

    >>> runs([1, 5, 6, 7, 8, 9, 20])
    [[1], [5, 6, 7, 8, 9], [20]]
    """
    found: list[list[int]] = []
    for each in positions:
        if found and each == found[-1][-1] + 1:
            found[-1].append(each)
        else:
            found.append([each])
    return [part for run in found for part in ([run] if len(run) >= RUN else [[each] for each in run])]


def _stages(bench: Bench) -> Iterator[Stage]:
    stage: Stage | None = first_stage(bench)
    while stage is not None:
        yield stage
        stage = stage.next()


def _stage_of(stages: Sequence[Stage], component: Component) -> Stage:
    return next(
        stage for stage in stages if stage.layer == component.layer and stage.heads == bool(component.head)
    )


def _swapped(stage: Stage, node: Node, identity: Tensor, generator: Generator) -> Stage:
    """With a node's outputs on other inputs, any of them, in place of its own."""
    own = rows(stage.bench, node, identity)
    if not own.tested:
        return stage
    wanted = torch.arange(own.tested, device=own.identity.device)
    other = partners(torch.zeros_like(own.identity), own.identity, wanted, generator)
    other = torch.where(other < 0, wanted, other)
    return stage.put(node.component, own.where[: len(stage.bench)], own.values[other])


def _jointly_idle(
    bench: Bench, found: list[tuple[Node, Change]], identity: Tensor, generator: Generator
) -> frozenset[Node]:
    """As many of the least nodes as do nothing together, then each further one that adds nothing to them."""
    order = sorted(
        (pair for pair in found if idle(pair[1])), key=lambda pair: (pair[1].kl, pair[1].changed)
    )
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if idle(_together(bench, [node for node, _ in order[:middle]], identity, generator)):
            low = middle
        else:
            high = middle - 1
    kept = [node for node, _ in order[:low]]
    for node, _ in order[low:]:
        if idle(_together(bench, [*kept, node], identity, generator)):
            kept.append(node)
    return frozenset(kept)


def _together(bench: Bench, nodes: Sequence[Node], identity: Tensor, generator: Generator) -> Change:
    stage, last = first_stage(bench), None
    while stage is not None:
        for node in nodes:
            component = node.component
            if component.layer == stage.layer and bool(component.head) == stage.heads:
                stage = _swapped(stage, node, identity, generator)
        last, stage = stage, stage.next()
    assert last is not None
    return last.change
