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
    """Positions counted from the start: one, or several in a row."""
    low, high = which[0], which[-1]
    name = f"at position {low}" if low == high else f"at positions {low} to {high}"
    return Place(name, lambda inputs: inputs.real & (inputs.place >= low) & (inputs.place <= high))


def others(positions: frozenset[int]) -> Place:
    """Every position but these."""
    known = torch.tensor(sorted(positions), dtype=torch.long)
    return Place(
        "at all other positions" if positions else "everywhere",
        lambda inputs: inputs.real & ~torch.isin(inputs.place, known.to(inputs.tokens.device)),
    )


def _anchor(name: str, token: int) -> Place:
    return Place(name, lambda inputs: inputs.real & (inputs.tokens == token))


def _segment(name: str, number: int) -> Place:
    return Place(name, lambda inputs: inputs.letter & (inputs.segment == number))
