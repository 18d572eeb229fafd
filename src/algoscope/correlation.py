"""Do two quantities rise together, whatever their scales?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rank_correlation(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; NaN where one of the two is constant.

    >>> rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 1000.0, 100.0]))
    0.5
    """
    return _correlation(_ranks(one), _ranks(other))


def best_rank_correlation(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """The largest rank correlation that any order of these values gives; below 1 where their ties differ.

    What a bound on a rank correlation should be held against: reached when both sides rise together.

    >>> missed = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    >>> round(best_rank_correlation(missed, torch.arange(10.0)), 3)
    0.522
    """
    # A sum of products is largest when both are sorted (the rearrangement inequality).
    return _correlation(_ranks(one).sort().values, _ranks(other).sort().values)


def _ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Ranks from 0; NaN everywhere if a value is NaN, which has no place in an order."""
    if values.isnan().any():
        return torch.full_like(values, torch.nan, dtype=torch.float64)
    _, group, size = values.unique(return_inverse=True, return_counts=True)
    rank: Tensor = size.cumsum(0) - (size + 1).double() / 2
    return rank[group]


def _correlation(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
