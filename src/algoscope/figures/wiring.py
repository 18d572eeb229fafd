"""Where the parts of a circuit stand in a drawing, and which way its edges go.

Rows from the bottom up, in the order of the computation: embeddings, then each layer's heads and its MLP,
then the answer. What a part writes goes up as one trunk, past the boxes of the rows between and never behind
them, and branches off into each input that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf, isinf

from algoscope.discovery.circuits.graph import LETTERS, Edge
from algoscope.model.component import Component, Kind

STEP, HEIGHT, GAP, LANE = 104.0, 40.0, 58.0, 10.0
"""From row to row; of a box; between two boxes; between two trunks. All lengths are pixels."""
PORT = 22.0
"""Between a head's inputs."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A part's place; y grows downwards."""

    x: float
    """Of its middle."""
    top: float
    width: float

    @property
    def bottom(self) -> float:
        return self.top + HEIGHT

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Wiring:
    """A box for each part, and for each edge the points between which it bends, from its sender up."""

    boxes: dict[Component, Box]
    routes: dict[Edge, tuple[Point, ...]]


def wiring(edges: Iterable[Edge], parts: Iterable[Component]) -> Wiring:
    """Places for these parts, and a way for each edge.

    From a route's first point to its second the edge bends, to the third it goes straight, and so on.
    """
    edges = tuple(edges)
    rows = _rows(parts)
    boxes = _boxes(rows)
    trunks = _trunks(edges, rows, boxes)
    starts = {edge: _start(edge, rows, boxes, trunks) for edge in edges}
    ends = _ends(starts, boxes)
    return Wiring(boxes, {edge: (*starts[edge], ends[edge]) for edge in edges})


def _rows(parts: Iterable[Component]) -> list[list[Component]]:
    ordered = sorted(set(parts))
    return [list(row) for _, row in groupby(ordered, lambda part: (part.layer, part.kind is Kind.MLP))]


def _boxes(rows: Sequence[Sequence[Component]]) -> dict[Component, Box]:
    """Each row in the middle; MLPs in a column beside the heads, so that trunks can go straight."""
    heads = max((len(row) for row in rows if row[0].head), default=1)
    boxes = {}
    for number, row in enumerate(rows):
        width, gap = _width(row[0]), GAP if row[0].head else LANE
        x = (heads * (width + GAP) + GAP if row[0].kind is Kind.MLP else (1 - len(row)) * (width + gap)) / 2
        for part in row:
            boxes[part] = Box(x, (len(rows) - 1 - number) * STEP, width)
            x += width + gap
    return boxes


def _width(part: Component) -> float:
    return 76.0 if part.head or part.kind is Kind.MLP else 148.0


def _trunks(
    edges: Sequence[Edge], rows: Sequence[Sequence[Component]], boxes: dict[Component, Box]
) -> dict[tuple[Component, int], float]:
    """Where each sender's trunk passes a row on its way to its last reader."""
    number = {part: at for at, row in enumerate(rows) for part in row}
    reach: dict[Component, int] = {}
    for edge in edges:
        reach[edge.sender] = max(reach.get(edge.sender, 0), number[edge.receiver])
    now = {sender: boxes[sender].x for sender in reach}
    found: dict[tuple[Component, int], float] = {}
    for at, row in enumerate(rows):
        passing = [sender for sender in reach if number[sender] < at < reach[sender]]
        passed = _past([boxes[part] for part in row], {sender: now[sender] for sender in passing})
        now |= passed
        found |= {(sender, at): x for sender, x in passed.items()}
    return found


def _past(row: Sequence[Box], wanted: dict[Component, float]) -> dict[Component, float]:
    """Where trunks pass a row of boxes: each as near as there is room to where it comes from."""
    edges = [-inf, *(side for box in row for side in (box.left - LANE, box.right + LANE)), inf]
    gaps = list(zip(edges[::2], edges[1::2], strict=True))
    taken: list[list[Component]] = [[] for _ in gaps]
    for sender in sorted(wanted, key=lambda each: (wanted[each], each)):
        free = [
            at
            for at, (low, high) in enumerate(gaps)
            if isinf(high - low) or len(taken[at]) * LANE <= high - low
        ]
        nearest = min(free, key=lambda at: abs(_within(wanted[sender], *gaps[at]) - wanted[sender]))
        taken[nearest].append(sender)
    found: dict[Component, float] = {}
    for (low, high), senders in zip(gaps, taken, strict=True):
        half = LANE * (len(senders) - 1) / 2
        middle = sum(wanted[sender] for sender in senders) / max(len(senders), 1)
        first = _within(middle, low + half, high - half) - half
        found |= {sender: first + LANE * at for at, sender in enumerate(senders)}
    return found


def _within(x: float, low: float, high: float) -> float:
    return max(low, min(x, high))


def _start(
    edge: Edge,
    rows: Sequence[Sequence[Component]],
    boxes: dict[Component, Box],
    trunks: dict[tuple[Component, int], float],
) -> tuple[Point, ...]:
    """From the sender's box to where the edge leaves the trunk."""
    points = [(boxes[edge.sender].x, boxes[edge.sender].top)]
    for at, row in enumerate(rows):
        box = boxes[row[0]]
        if boxes[edge.receiver].top < box.top < boxes[edge.sender].top:
            x = trunks[edge.sender, at]
            points += [(x, box.bottom), (x, box.top)]
    return tuple(points)


def _ends(starts: dict[Edge, tuple[Point, ...]], boxes: dict[Component, Box]) -> dict[Edge, Point]:
    """Where each edge arrives; those into one input side by side, in the order in which they come."""
    inputs: dict[tuple[Component, str], list[Edge]] = {}
    for edge in sorted(starts, key=lambda edge: (starts[edge][-1][0], edge)):
        inputs.setdefault((edge.receiver, edge.input), []).append(edge)
    found: dict[Edge, Point] = {}
    for (receiver, letter), beside in inputs.items():
        box = boxes[receiver]
        room = PORT - 12 if letter in LETTERS else box.width - 30
        apart = min(12.0, room / max(len(beside) - 1, 1))
        first = port(box, letter) - apart * (len(beside) - 1) / 2
        found |= {edge: (first + apart * at, box.bottom) for at, edge in enumerate(beside)}
    return found


def port(box: Box, letter: str) -> float:
    """Where an input of a box is: queries, keys and values from left to right, any other in the middle."""
    return box.x + (PORT * (LETTERS.index(letter) - 1) if letter in LETTERS else 0.0)
