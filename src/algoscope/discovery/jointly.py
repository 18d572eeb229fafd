"""What do parts cost together? Parts that stand in for one another cost nothing one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from algoscope.discovery.effects import Effect, effects
from algoscope.discovery.shrink import Judged, shrink
from algoscope.interventions.families import on
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Source
from algoscope.model.component import Component
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@dataclass(frozen=True)
class Backups:
    """Parts of which the model can spare any, but not all: each stands in for the others."""

    parts: tuple[Component, ...]
    effect: Effect
    """Of ablating them together."""


def ablated(parts: Sequence[Component], source: Source) -> tuple[Intervention, ...]:
    """What each of the parts writes, replaced together."""
    return tuple(on(part, source) for part in parts)


def together(
    model: Transformer, examples: Examples, parts: Sequence[Component], source: Source
) -> Effect | None:
    """The effect of ablating all the parts at once; None if there are none."""
    return effects(model, examples, [ablated(parts, source)])[0] if parts else None


def backups(
    model: Transformer, examples: Examples, unneeded: tuple[Component, ...], source: Source
) -> tuple[Backups, ...]:
    """Sets of parts, each unneeded alone, that are needed together; of each set nothing can be left out.

    One set after the other is found and put aside, until the rest can be spared together.
    """
    found: list[Backups] = []
    rest = unneeded

    def judge(sets: Sequence[tuple[Component, ...]]) -> list[Judged]:
        # A single part is known to be unneeded, from more examples than these may be.
        large = [each for each in sets if len(each) > 1]
        costs = effects(model, examples, [ablated(each, source) for each in large]) if large else ()
        known = dict(zip(large, costs, strict=True))
        return [
            Judged(known[each].needed, known[each].rise.mean) if each in known else Judged(False, 0.0)
            for each in sets
        ]

    while len(rest) > 1:
        effect = together(model, examples, rest, source)
        if effect is None or not effect.needed:
            break
        parts = shrink(rest, judge)
        found.append(Backups(parts, effects(model, examples, [ablated(parts, source)])[0]))
        rest = tuple(each for each in rest if each not in parts)
    return tuple(found)


def pair_rises(
    model: Transformer, examples: Examples, parts: Sequence[Component], source: Source
) -> Mapping[tuple[Component, Component], float]:
    """For every two parts, by how much more the loss rises without both than without each, added up.

    In even guesses: above zero the two stand in for each other, below it they do the same work one after the
    other, or the answer was lost with the first.
    """
    pairs = list(combinations(parts, 2))
    if not pairs:
        return {}
    changes = [*((on(part, source),) for part in parts), *(ablated(pair, source) for pair in pairs)]
    rises = [each.rise.mean for each in effects(model, examples, changes)]
    single = dict(zip(parts, rises[: len(parts)], strict=True))
    return {
        (one, other): rise - single[one] - single[other]
        for (one, other), rise in zip(pairs, rises[len(parts) :], strict=True)
    }
