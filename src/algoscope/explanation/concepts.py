"""A concept: a named, discrete function of an input and a position in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.inputs import Inputs

Codes = Int[Tensor, "batch seq"]
"""A number for each place of each input; two places with one number agree on the concept."""


class Sees(IntEnum):
    """How much of an input must be seen to know a concept at a place."""

    HERE = 0
    """The token and the position embedding there."""
    BEFORE = 1
    """Everything up to there, there included."""
    ANYWHERE = 2
    """The whole input."""


@dataclass(frozen=True, eq=False)
class Concept:
    """A fact about each place of each input, as a number.

    The numbers mean the same in every batch: what a program looks up for one input it finds for the next.
    """

    name: str
    """In words, to stand behind "carries": "the token here", "how many a before here"."""
    of: Callable[[Inputs], Codes]
    sees: Sees = Sees.BEFORE
    depth: int = 1
    """The fewest layers of attention that can compute it at one place from tokens and positions."""
    numeric: bool = False
    """Whether its numbers are quantities, so that thresholds between them make sense."""
    price: int = 1
    """How many primitives it is built from."""
    answer: bool = False
    """Whether it is the true answer, or built from it: what is to be explained, not an explanation."""

    def __str__(self) -> str:
        return self.name


NOTHING = Concept("nothing", lambda inputs: torch.zeros_like(inputs.tokens), Sees.HERE, depth=0, price=0)


def both(first: Concept, second: Concept) -> Concept:
    """What two concepts say together: a number for each pair of their numbers."""
    return Concept(
        f"{first.name}, with {second.name}",
        lambda inputs: paired(first.of(inputs), second.of(inputs)),
        max(first.sees, second.sees),
        max(first.depth, second.depth),
        price=first.price + second.price,
        answer=first.answer or second.answer,
    )


def paired(first: Codes, second: Codes) -> Codes:
    """One number for each pair: with primes, so that no table of all pairs is needed."""
    return first * 2_654_435_761 + second * 40_503 + (first ^ second) * 97
