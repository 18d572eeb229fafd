"""Do two quantities rise together, whatever their scales?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rank_correlation(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; NaN where one of the two is constant."""
    return float(torch.corrcoef(torch.stack([_ranks(one), _ranks(other)]))[0, 1])


def _ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    below = (values[:, None] > values).sum(1)
    ties = (values[:, None] == values).sum(1)
    return torch.add(below, (ties - 1) / 2).double()
