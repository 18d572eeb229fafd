"""How well does a pattern of attention pair each later position with its mirror image?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

Pair = tuple[int, int]
"""(later, earlier) position."""


@dataclass(frozen=True)
class Mirrored:
    """What the later position of a pair gives to the earlier one."""

    later: int
    earlier: int
    attention: float
    to_itself: float
    even: float
    """What an even spread over all keys that it may see would give."""
    rank: int
    """Of the earlier position in the later one's row: 1 if nothing else gets as much attention."""

    @property
    def fails(self) -> bool:
        """Whether the later position looks at itself as much as at its mirror image, or more."""
        return self.attention <= self.to_itself


def mirrored_pairs(pattern: Float[Tensor, "query key"], pairs: Sequence[Pair]) -> tuple[Mirrored, ...]:
    """Each pair's attention in one pattern whose rows sum to 1."""
    found = []
    for later, earlier in pairs:
        row = pattern[later]
        found.append(
            Mirrored(
                later,
                earlier,
                row[earlier].item(),
                row[later].item(),
                1 / int((row > 0).sum()),
                int((row >= row[earlier]).sum()),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Matching:
    """A head's mean attention to mirror images, where the tokens match and where they don't."""

    matched: Float[Tensor, "pair"]
    mismatched: Float[Tensor, "pair"]

    @property
    def contrast(self) -> float:
        """How much more attention a mirror image gets for being equal, on average over pairs."""
        return (self.matched - self.mismatched).mean().item()


def matching(
    pattern: Float[Tensor, "batch query key"], mismatch: Bool[Tensor, "batch seq"], pairs: Sequence[Pair]
) -> Matching:
    """The head's attention to the mirror image of each later position, by whether the two tokens match.

    NaN for a pair that always matches, or never.
    """
    later, earlier = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    attention, broken = pattern[:, later, earlier].double(), mismatch[:, later].double()
    mismatched = (attention * broken).sum(0) / broken.sum(0)
    return Matching((attention * (1 - broken)).sum(0) / (1 - broken).sum(0), mismatched)
