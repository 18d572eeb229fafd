"""How often has something happened: one letter behind another, a number that falls, a letter that leads?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import Scope
from algoscope.explanation.library.stretches import Stretch, main_stretches, steps

LEADS = 3
"""The largest lead whose places are counted."""

Where = Callable[[Inputs], Bool[Tensor, "batch seq"]]


@dataclass(frozen=True, eq=False)
class Event:
    """Something that is so at some places."""

    words: str
    """A sentence about a place."""
    where: Where
    """What it is known from never lies ahead."""


def events(scope: Scope) -> list[Concept]:
    """Whether each event happens here, and how often it has over the main stretches."""
    found = [*_neighbours(scope), *_others(scope), *_moves(scope), *_leads(scope)]
    return [
        concept
        for event in found
        for concept in (_here(event), *(_times(event, stretch) for stretch in main_stretches(scope)))
    ]


def _here(event: Event) -> Concept:
    return Concept(f"whether here {event.words}", lambda inputs: event.where(inputs).long())


def _times(event: Event, stretch: Stretch) -> Concept:
    return Concept(
        f"at how many places {stretch.words} {event.words}",
        lambda inputs: stretch.count(inputs, event.where(inputs).long()),
        stretch.sees,
        depth=2,
        numeric=True,
    )


def _neighbours(scope: Scope) -> list[Event]:
    """One letter right behind another, and somewhere behind it."""
    few = scope.very_few
    right = [
        Event(f"{scope.word(later)} stands right behind {scope.word(earlier)}", _right_behind(earlier, later))
        for earlier in few
        for later in few
    ]
    behind = [
        Event(f"{scope.word(later)} stands behind some {scope.word(earlier)}", _behind(earlier, later))
        for earlier in few
        for later in few
        if earlier != later
    ]
    return [*right, *behind]


def _right_behind(earlier: int, later: int) -> Where:
    def where(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
        hits = inputs.tokens == later
        hits[:, 1:] &= inputs.tokens[:, :-1] == earlier
        hits[:, :1] = False
        return hits

    return where


def _behind(earlier: int, later: int) -> Where:
    return lambda inputs: (inputs.tokens == later) & ((inputs.tokens == earlier).long().cumsum(1) > 0)


def _others(scope: Scope) -> list[Event]:
    """Letters that differ from the first."""
    return [Event("the letter is another than the first", _not_first(scope.start))]


def _not_first(start: int) -> Where:
    return lambda inputs: inputs.letter & (inputs.tokens != inputs.tokens[:, start : start + 1])


def _moves(scope: Scope) -> list[Event]:
    """Numbers that are smaller or larger than the one before them."""
    if not scope.language.ordered:
        return []
    return [
        Event("the number is smaller than the one before", _moved(-1)),
        Event("the number is larger than the one before", _moved(1)),
    ]


def _moved(way: int) -> Where:
    def where(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
        hits = inputs.letter.clone()
        change = inputs.tokens[:, 1:] - inputs.tokens[:, :-1]
        hits[:, 1:] &= inputs.letter[:, :-1] & (change * way > 0)
        hits[:, :1] = False
        return hits

    return where


def _leads(scope: Scope) -> list[Event]:
    """Letters up to which there are more of one than of another."""
    return [
        Event(f"{scope.word(one)} leads {scope.word(other)} by {lead} or more", _lead((one, other), lead))
        for pair in scope.pairs
        for one, other in (pair, pair[::-1])
        for lead in range(1, LEADS + 1)
    ]


def _lead(pair: tuple[int, int], lead: int) -> Where:
    return lambda inputs: inputs.letter & (steps(inputs, pair).cumsum(1) >= lead)
