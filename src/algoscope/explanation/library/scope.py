"""What decides which concepts are offered: a language, and the shape of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Sees
from algoscope.explanation.inputs import Inputs, Language

FEW = 8
"""Letters up to which each has counts of its own."""
VERY_FEW = 4
"""Letters up to which each pair of them has differences of its own."""
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
    fixed: bool
    """Whether all inputs are as long, and each anchor stands at the same place in all of them."""
    parts: tuple[int, ...]
    """Between which anchors there are letters: 0 before the first anchor, 1 between it and the next ..."""

    @property
    def few(self) -> tuple[int, ...]:
        """The letters, if there are few."""
        return self.language.letters if len(self.language.letters) <= FEW else ()

    @property
    def very_few(self) -> tuple[int, ...]:
        """The letters, if there are very few."""
        return self.language.letters if len(self.language.letters) <= VERY_FEW else ()

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Every two letters, if there are very few."""
        few = self.very_few
        return tuple((one, other) for one in few for other in few if one < other)

    @property
    def start(self) -> int:
        """The first place that is not always the same anchor."""
        return 1 if self.language.anchors and 0 not in self.parts else 0

    @property
    def ended(self) -> tuple[int, ...]:
        """The parts whose end a model sees while letters still come, or as it sees ahead."""
        return self.parts[:-1] if self.language.causal else self.parts

    @property
    def reach(self) -> Sees:
        """How much is seen of what may lie ahead: a causal model knows it once it has come."""
        return Sees.BEFORE if self.language.causal else Sees.ANYWHERE

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
        return f"the part after {self.word(anchors[part - 1])}" if part else self.before(anchors[0])

    def before(self, anchor: int) -> str:
        """What the letters that an anchor ends are called."""
        return f"the part before {self.word(anchor)}"


def read_scope(language: Language, inputs: Inputs) -> Scope:
    """The scope of a language, from a sample of its inputs."""
    lengths = inputs.length.unique().tolist()
    same = len(lengths) == 1
    stays = all(len(inputs.anchor(anchor).unique()) == 1 for anchor in language.anchors)
    parts = inputs.segment[inputs.letter].unique().tolist()
    return Scope(
        language, max(lengths, default=0), lengths[0] if same else None, same and stays, tuple(parts)
    )


def everywhere(values: Int[Tensor, "batch 1"] | Bool[Tensor, "batch 1"], inputs: Inputs) -> Codes:
    """One number for each input, at each of its places."""
    return values.long().expand(inputs.tokens.shape)


def once_seen(codes: Codes, places: Int[Tensor, "batch seq"], inputs: Inputs) -> Codes:
    """These codes where the place that they tell of is not ahead; UNSEEN elsewhere."""
    return torch.where(places <= inputs.place, codes, UNSEEN)
