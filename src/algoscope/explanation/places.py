"""Which positions of an input are one place: a part of the model is asked place by place what it carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.inputs import Inputs, Language
from algoscope.model.component import Component

MOST = 12
"""Up to so many positions at which inputs are answered, each is a place of its own."""


@dataclass(frozen=True, eq=False)
class Place:
    """Positions of inputs at which a component is taken to do one thing."""

    name: str
    """In words, to stand behind a component: "at position 3", "at <sep>", "after <sep>"."""
    of: Callable[[Inputs], Bool[Tensor, "batch seq"]]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Node:
    """A component at a place."""

    component: Component
    place: Place

    def __str__(self) -> str:
        return f"{self.component.words} {self.place}"


def by_segment(language: Language) -> tuple[Place, ...]:
    """Each anchor a place, and all letters behind it another."""
    found = []
    if not language.anchors:
        return (Place("everywhere", lambda inputs: inputs.real),)
    for number, token in enumerate(language.anchors, start=1):
        word = language.words[token]
        found += [_anchor(f"at {word}", token), _segment(f"after {word}", number)]
    return (_segment(f"before {language.words[language.anchors[0]]}", 0), *found)


def positions(which: Sequence[int]) -> Place:
    """Positions counted from the start: one, or several.

    >>> positions([3]).name, positions([3, 4, 5]).name, positions([1, 3, 5]).name
    ('at position 3', 'at positions 3 to 5', 'at positions 1, 3 and 5')
    """
    low, high = which[0], which[-1]
    if low == high:
        name = f"at position {low}"
    elif high - low + 1 == len(which) > 2:
        name = f"at positions {low} to {high}"
    else:
        name = f"at positions {', '.join(map(str, which[:-1]))} and {high}"
    known = torch.tensor(which)
    return Place(name, lambda inputs: inputs.real & torch.isin(inputs.place, known.to(inputs.place)))


def from_end(inputs: Inputs) -> tuple[Place, ...]:
    """The last anchor and the letter before it, where inputs differ in length."""
    language = inputs.language
    if not language.anchors or not bool((inputs.length != inputs.length[:1]).any()):
        return ()
    token = language.anchors[-1]
    word = language.words[token]
    if bool((inputs.anchor(token) == inputs.anchor(token)[:1]).all()):
        return ()
    return (
        _anchor(f"at {word}", token),
        Place(
            f"right before {word}", lambda inputs: inputs.letter & (inputs.place == inputs.anchor(token) - 1)
        ),
    )


def everywhere(named: int) -> Place:
    """Every position, called so if so many others have a name."""
    return Place("at all other positions" if named else "everywhere", lambda inputs: inputs.real)


def without(place: Place, others: Sequence[Place]) -> Place:
    """A place less what belongs to others."""

    def of(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
        found = place.of(inputs)
        for other in others:
            found = found & ~other.of(inputs)
        return found

    return Place(place.name, of)


def _anchor(name: str, token: int) -> Place:
    return Place(name, lambda inputs: inputs.real & (inputs.tokens == token))


def _segment(name: str, number: int) -> Place:
    return Place(name, lambda inputs: inputs.letter & (inputs.segment == number))
