"""What decides which concepts are offered: a language, and how long its inputs are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs, Language

FEW = 8
"""Letters up to which each has its own counts."""
FEWEST = 4
"""Letters up to which each pair of them has its own differences."""
UNSEEN = -1
"""The code of what is not known yet, or is not there."""


@dataclass(frozen=True)
class Scope:
    """A language, and what a sample shows of its inputs' shape."""

    language: Language
    longest: int
    """Places of the longest input."""
    length: int | None
    """Places of every input; None if they differ."""
    parts: tuple[int, ...]
    """Between which anchors there are letters: 0 before the first anchor, 1 between it and the next ..."""

    @property
    def letters(self) -> tuple[int, ...]:
        return self.language.letters

    @property
    def few(self) -> tuple[int, ...]:
        """The letters, if there are few."""
        return self.letters if len(self.letters) <= FEW else ()

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Every two letters, if there are very few."""
        few = self.letters if len(self.letters) <= FEWEST else ()
        return tuple((one, other) for one in few for other in few if one < other)

    @property
    def whole(self) -> Sees:
        """What a concept sees that is known only once the whole input is."""
        return Sees.ANYWHERE

    @property
    def place_depth(self) -> int:
        """Layers of attention that it takes to know how far the start is: none if its embedding says so."""
        return 1 if self.language.shifted else 0

    @property
    def place_sees(self) -> Sees:
        return Sees.BEFORE if self.language.shifted else Sees.HERE

    @property
    def relative_depth(self) -> int:
        """Layers that it takes to look at a place that is counted from one anchor as this is from another."""
        return 2 if self.language.shifted else 1

    def word(self, token: int) -> str:
        return self.language.words[token]

    def part(self, part: int) -> str:
        """What the letters between two anchors are called."""
        anchors = self.language.anchors
        if not anchors:
            return "the input"
        return (
            f"the part after {self.word(anchors[part - 1])}"
            if part
            else f"the part before {self.word(anchors[0])}"
        )


def read_scope(language: Language, inputs: Inputs) -> Scope:
    """The scope of a language, from a sample of its inputs."""
    lengths = inputs.length
    longest, shortest = (int(lengths.max()), int(lengths.min())) if len(inputs) else (0, 0)
    parts = inputs.segment[inputs.letter].unique().tolist()
    return Scope(language, longest, longest if longest == shortest else None, tuple(parts))


def everywhere(values: Int[Tensor, "batch 1"] | Bool[Tensor, "batch 1"], inputs: Inputs) -> Codes:
    """One number for each input, at each of its places."""
    return values.long().expand(inputs.tokens.shape)


def once_seen(codes: Codes, places: Int[Tensor, "batch seq"], inputs: Inputs) -> Codes:
    """These codes where the place that they tell of is not behind; UNSEEN elsewhere."""
    return torch.where(places <= inputs.place, codes, UNSEEN)


def remainders(concept: Concept, moduli: tuple[int, ...]) -> list[Concept]:
    """Parity and other remainders of a quantity. A negative number has the remainder of its distance to 0."""
    return [_remainder(concept, modulus) for modulus in moduli]


def sign(concept: Concept) -> Concept:
    """Whether a quantity is negative, zero or positive: -1, 0 or 1."""
    return derived(concept, f"the sign of {concept.name}", torch.sign)


def derived(concept: Concept, name: str, change: Callable[[Codes], Codes]) -> Concept:
    """What can be said of a concept's numbers alone."""
    return Concept(
        name,
        lambda inputs: change(concept.of(inputs)),
        concept.sees,
        concept.depth,
        price=concept.price + 1,
        answer=concept.answer,
    )


def _remainder(concept: Concept, modulus: int) -> Concept:
    name = f"whether {concept.name} is odd" if modulus == 2 else f"{concept.name}, modulo {modulus}"
    return derived(concept, name, lambda codes: codes % modulus)
