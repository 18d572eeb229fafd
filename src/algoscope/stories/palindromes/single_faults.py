"""Which mirrored pairs does a palindrome model overlook, and which heads report each of them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.attribution import Direction
from algoscope.analysis.components import decompose
from algoscope.analysis.direct import direct_contributions
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import HALF, broken_at

TELLS = 2.0
"""Logits, before the final norm divides them: what heads must tell of a pair, to call it reported."""
LEAST_SHARE = 0.25
"""Of what all heads tell of a pair."""


@dataclass(frozen=True, eq=False)
class SingleFaults:
    """What a model makes of sequences with one mismatched pair, for each pair, the outermost first."""

    missed: Float[Tensor, "pair"]
    """Share that the model takes for palindromes."""
    logit: Float[Tensor, "pair"]
    """Mean log odds of "not palindrome"."""
    told: Float[Tensor, "pair head"]
    """How much further each head pushes towards "not palindrome" than on palindromes, on average."""
    heads: tuple[Head, ...]
    count: int
    """Sequences of each pair."""
    fooling: Int[Tensor, "input seq"]
    """The sequences that are taken for palindromes."""

    def share(self, pair: int, head: Head) -> float:
        """How much of what all heads tell of a broken pair is this head's; 0 if they tell next to nothing."""
        told = self.told[pair].clamp_min(0)
        return (told[self.heads.index(head)] / told.sum()).item() if told.sum() >= TELLS else 0.0

    def reporters(self, pair: int) -> tuple[Head, ...]:
        """The heads that tell a quarter or more of what all heads tell of a pair, the loudest first."""
        telling = [head for head in self.heads if self.share(pair, head) >= LEAST_SHARE]
        return tuple(sorted(telling, key=lambda head: -self.share(pair, head)))


@dataclass(frozen=True, eq=False)
class DoubleFaults:
    """The same with each two pairs broken."""

    missed: Float[Tensor, "pair pair"]
    """NaN on the diagonal."""
    count: int
    fooling: Int[Tensor, "input seq"]

    @property
    def ranked(self) -> Bool[Tensor, "two pair"]:
        """Every two pairs, marked in a row of pairs each, the most often missed first."""
        rows, columns = torch.triu_indices(HALF, HALF, offset=1)
        order = self.missed[rows, columns].argsort(descending=True, stable=True)
        return _marked([(int(rows[at]), int(columns[at])) for at in order])


def single_faults(model: Transformer, direction: Direction, count: int, seed: int) -> SingleFaults:
    """Break each pair alone in `count` random palindromes, and look on."""
    only = torch.eye(HALF, dtype=torch.bool).repeat_interleave(count, 0)
    examples = broken_at(torch.cat([only, torch.zeros(count, HALF, dtype=torch.bool)]), seed)
    parts = decompose(model, examples, examples.answered)
    pushed = direct_contributions(model, examples, parts, direction)
    by_pair = torch.stack([pushed[head] for head in pushed.heads])
    means = rearrange(by_pair, "head (pair count) -> pair head count", count=count).mean(-1)
    logits = answer_logits(model, examples).double()
    odds = (logits[:, 0] - logits[:, 1])[: HALF * count]
    return SingleFaults(
        (odds < 0).double().view(HALF, count).mean(1),
        odds.view(HALF, count).mean(1),
        means[:HALF] - means[HALF:],
        tuple(part.head for part in pushed.heads if part.head is not None),
        count,
        examples.tokens[: HALF * count][odds < 0],
    )


def double_faults(model: Transformer, count: int, seed: int) -> DoubleFaults:
    """Break each two pairs in `count` random palindromes."""
    two = list(combinations(range(HALF), 2))
    examples = broken_at(_marked(two).repeat_interleave(count, 0), seed)
    missed = answer_logits(model, examples).argmax(-1) == 1
    shares = missed.double().unflatten(0, (len(two), count)).mean(1)
    grid = torch.full((HALF, HALF), torch.nan, dtype=torch.float64)
    for (a, b), share in zip(two, shares.tolist(), strict=True):
        grid[a, b] = grid[b, a] = share
    return DoubleFaults(grid, count, examples.tokens[missed])


def _marked(twos: list[tuple[int, int]]) -> Bool[Tensor, "two pair"]:
    marked = torch.zeros(len(twos), HALF, dtype=torch.bool)
    for row, pairs in enumerate(twos):
        marked[row, list(pairs)] = True
    return marked
