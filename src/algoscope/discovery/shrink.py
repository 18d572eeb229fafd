"""A small part of a set that is still enough, found by leaving out what is missed least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from algoscope.model.component import Component

Set = tuple[Component, ...]


@dataclass(frozen=True)
class Judged:
    """Whether a set is enough, and how good it is: the higher, the better."""

    enough: bool
    score: float


Judge = Callable[[Sequence[Set]], Sequence[Judged]]
"""Asked about many sets at once, since they can be run as one batch."""


def shrink(parts: Set, judge: Judge) -> Set:
    """A part of the set that is enough, of which nothing can be left out; the set itself is taken to be.

    Greedy, so there may be a smaller one. In each round every part is left out alone; then the least missed
    of those that may go are left out together, as many as possible.
    """
    kept = parts
    while kept:
        trials = judge([_without(kept, [each]) for each in kept])
        missed = dict(zip(kept, trials, strict=True))
        order = sorted((each for each in kept if missed[each].enough), key=lambda each: -missed[each].score)
        if not order:
            break
        starts = [order[:count] for count in range(2, len(order) + 1)]
        together = judge([_without(kept, start) for start in starts]) if starts else []
        gone = [start for start, judged in zip(starts, together, strict=True) if judged.enough]
        kept = _without(kept, gone[-1] if gone else order[:1])
    return kept


def _without(parts: Set, gone: Sequence[Component]) -> Set:
    return tuple(part for part in parts if part not in gone)
