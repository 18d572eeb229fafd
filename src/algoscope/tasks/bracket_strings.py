"""Random bracket strings: the kinds that `Brackets.sample` mixes, each drawn for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from math import isfinite

import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from algoscope.errors import UserError

LONGEST = 40
"""Brackets in the longest string."""

Lengths = Int[Tensor, "batch"]
Opens = Bool[Tensor, "batch bracket"]
"""True where a string has `(`. Row i means something in its first `lengths[i]` columns only."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How often each kind of string is drawn: weights of any scale, divided by their sum.

    Raises UserError for a weight that is negative or not finite, and if all are zero.
    """

    dyck: float = 0.3
    """A balanced string, uniform among all of its length."""
    one_flipped: float = 0.2
    """A balanced string with one bracket turned round."""
    two_flipped: float = 0.1
    """A balanced string with two brackets turned round; some are balanced again."""
    two_swapped: float = 0.15
    """A balanced string with one `(` and one `)` exchanged; some are balanced again."""
    random: float = 0.15
    """Each bracket `(` or `)` by the toss of a coin."""
    shuffled: float = 0.1
    """As many `(` as `)`, in random order."""

    def __post_init__(self) -> None:
        for kind, weight in asdict(self).items():
            if not (isinstance(weight, int | float) and isfinite(weight) and weight >= 0):
                raise UserError(f"the mix has {kind}={weight!r}: give a weight of at least 0")
        if not any(asdict(self).values()):
            raise UserError("every weight of the mix is 0: give at least one kind a weight above 0")

    def draw(self, lengths: Lengths, generator: Generator) -> Opens:
        """One string of each length; its kind is drawn with these weights."""
        weights = torch.tensor(list(asdict(self).values()), dtype=torch.float64)
        edges = (weights / weights.sum()).cumsum(0)[:-1]
        chosen = torch.bucketize(
            torch.rand(len(lengths), dtype=torch.float64, generator=generator), edges, right=True
        )
        opens = torch.zeros(len(lengths), LONGEST, dtype=torch.bool)
        for index, kind in enumerate(asdict(self)):
            rows = chosen == index
            opens[rows] = KINDS[kind](lengths[rows], generator)
        return opens


def dyck(lengths: Lengths, generator: Generator) -> Opens:
    """Balanced strings, uniform among all of their (even) length.

    Written from left to right: the next bracket is `(` with the share that the completions after `(`
    have among all completions.
    """
    share = open_shares()
    height = torch.zeros_like(lengths)
    opens = torch.zeros(len(lengths), LONGEST, dtype=torch.bool)
    for place in range(LONGEST):
        left = (lengths - place).clamp(min=0)
        toss = torch.rand(len(lengths), dtype=torch.float64, generator=generator)
        opens[:, place] = toss < share[left, height]
        height = torch.where(left > 0, height + 2 * opens[:, place].long() - 1, height)
    return opens


@cache
def open_shares() -> Float[Tensor, "left height"]:
    """Of the ways to close `height` open brackets with exactly `left` more, the share that begins with `(`.

    0 where there is no way. The counts (ballot numbers) are whole numbers below 2^53, so exact.
    """
    ways = torch.zeros(LONGEST + 1, LONGEST + 2, dtype=torch.float64)
    share = torch.zeros_like(ways)
    ways[0, 0] = 1
    for left in range(1, LONGEST + 1):
        for height in range(min(left, LONGEST - left) + 1):
            after_open = ways[left - 1, height + 1]
            ways[left, height] = after_open + (ways[left - 1, height - 1] if height else 0)
            if ways[left, height]:
                share[left, height] = after_open / ways[left, height]
    return share


def one_flipped(lengths: Lengths, generator: Generator) -> Opens:
    chosen = places(lengths, 1, generator)
    return dyck(lengths, generator) ^ chosen


def two_flipped(lengths: Lengths, generator: Generator) -> Opens:
    chosen = places(lengths, 2, generator)
    return dyck(lengths, generator) ^ chosen


def places(lengths: Lengths, count: int, generator: Generator) -> Bool[Tensor, "batch bracket"]:
    """Marks `count` brackets of each string, at random."""
    noise = _noise(lengths, generator).masked_fill(~_within(lengths), -1)
    return torch.zeros_like(noise, dtype=torch.bool).scatter(1, noise.topk(count).indices, True)


def two_swapped(lengths: Lengths, generator: Generator) -> Opens:
    return swapped(dyck(lengths, generator), lengths, generator)


def swapped(opens: Opens, lengths: Lengths, generator: Generator) -> Opens:
    """The strings with one `(` and one `)` exchanged, at random."""
    noise = _noise(lengths, generator)
    an_open = noise.masked_fill(~opens, -1).argmax(1, keepdim=True)
    a_close = noise.masked_fill(opens | ~_within(lengths), -1).argmax(1, keepdim=True)
    return opens.scatter(1, an_open, False).scatter(1, a_close, True)


def random(lengths: Lengths, generator: Generator) -> Opens:
    return _noise(lengths, generator) < 0.5


def shuffled(lengths: Lengths, generator: Generator) -> Opens:
    noise = _noise(lengths, generator).masked_fill(~_within(lengths), 2)
    rank = noise.argsort(1).argsort(1)
    return rank < lengths[:, None] // 2


def _noise(lengths: Lengths, generator: Generator) -> Float[Tensor, "batch bracket"]:
    return torch.rand(len(lengths), LONGEST, generator=generator)


def _within(lengths: Lengths) -> Bool[Tensor, "batch bracket"]:
    """Which columns belong to each string."""
    return repeat(torch.arange(LONGEST), "bracket -> batch bracket", batch=len(lengths)) < lengths[:, None]


KINDS: dict[str, Callable[[Lengths, Generator], Opens]] = {
    "dyck": dyck,
    "one_flipped": one_flipped,
    "two_flipped": two_flipped,
    "two_swapped": two_swapped,
    "random": random,
    "shuffled": shuffled,
}
