"""Which mirrored pairs does a palindrome model overlook, and which heads report each of them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.attribution import Direction
from algoscope.analysis.components import decompose
from algoscope.analysis.direct import direct_contributions
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import END_POSITION, HALF, broken_at

TELLS = 2.0
"""Logits, before the final norm divides them: what heads must tell of a pair, to call it reported."""
LEAST_SHARE = 0.25
"""Of what all heads tell of a pair."""


@dataclass(frozen=True)
class SingleFaults:
    """What a model makes of sequences with one mismatched pair, for each pair, the outermost first."""

    missed: Float[Tensor, "pair"]
    """Share that the model takes for palindromes."""
    logit: Float[Tensor, "pair"]
    """Mean log odds of "not palindrome"."""
    told: Float[Tensor, "pair head"]
    """How much further each head pushes towards "not palindrome" than on palindromes, on average."""
    heads: tuple[str, ...]
    count: int
    """Sequences of each pair."""

    def share(self, pair: int, head: str) -> float:
        """How much of what all heads tell of a broken pair is this head's; 0 if they tell next to nothing."""
        told = self.told[pair].clamp_min(0)
        return (told[self.heads.index(head)] / told.sum()).item() if told.sum() >= TELLS else 0.0

    def reporters(self, pair: int) -> tuple[str, ...]:
        """The heads that tell a quarter or more of what all heads tell of a pair, the loudest first."""
        telling = [head for head in self.heads if self.share(pair, head) >= LEAST_SHARE]
        return tuple(sorted(telling, key=lambda head: -self.share(pair, head)))


def single_faults(model: Transformer, direction: Direction, count: int, seed: int) -> SingleFaults:
    """Break each pair alone in `count` random palindromes, and look on."""
    only = torch.eye(HALF, dtype=torch.bool).repeat_interleave(count, 0)
    examples = broken_at(torch.cat([only, torch.zeros(count, HALF, dtype=torch.bool)]), seed)
    parts = decompose(model, examples, END_POSITION)
    pushed = direct_contributions(model, examples, parts, direction)
    by_pair = torch.stack([pushed[head] for head in pushed.heads])
    means = rearrange(by_pair, "head (pair count) -> pair head count", count=count).mean(-1)
    logits = answer_logits(model, examples).unflatten(0, (HALF + 1, count))
    odds = (logits[..., 0] - logits[..., 1])[:HALF].double()
    return SingleFaults(
        (odds < 0).double().mean(1),
        odds.mean(1),
        means[:HALF] - means[HALF:],
        pushed.heads,
        count,
    )


def missed_double_faults(model: Transformer, count: int, seed: int) -> Float[Tensor, "pair pair"]:
    """The share that the model takes for palindromes if two pairs are broken; NaN on the diagonal."""
    two = list(combinations(range(HALF), 2))
    broken = torch.zeros(len(two), HALF, dtype=torch.bool)
    for row, pairs in enumerate(two):
        broken[row, list(pairs)] = True
    examples = broken_at(broken.repeat_interleave(count, 0), seed)
    missed = (answer_logits(model, examples).argmax(-1) == 1).double().unflatten(0, (len(two), count)).mean(1)
    grid = torch.full((HALF, HALF), torch.nan, dtype=torch.float64)
    for (a, b), share in zip(two, missed.tolist(), strict=True):
        grid[a, b] = grid[b, a] = share
    return grid


def random_faults(count: int, mismatches: int, seed: int) -> Bool[Tensor, "count pair"]:
    """Which pairs are broken, `mismatches` of them at random in each row."""
    order = torch.rand(count, HALF, generator=torch.Generator().manual_seed(seed)).argsort(1)
    return order < mismatches
