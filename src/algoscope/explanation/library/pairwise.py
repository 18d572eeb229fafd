"""Comparing each place of an input with each other place, in little memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes
from algoscope.explanation.inputs import Inputs

CELLS = 4_000_000
"""Pairs of places that are compared at once."""

Values = Codes
Compare = Callable[[Tensor, Tensor], Tensor]


def pairwise(
    reduce: Callable[[Tensor, Tensor, Tensor], Tensor],
    values: Values,
    keys: Bool[Tensor, "batch #seq seq"],
) -> Codes:
    """`reduce(value here [batch seq 1], value there [batch 1 seq], whether there counts)` -> [batch seq]."""
    batch, seq = values.shape
    step = max(1, CELLS // max(1, seq * seq))
    small = values.int()
    parts = [
        reduce(small[at : at + step, :, None], small[at : at + step, None, :], keys[at : at + step]).long()
        for at in range(0, batch, step)
    ]
    return torch.cat(parts) if parts else torch.zeros_like(values)


def previous(inputs: Inputs) -> Codes:
    """Where the token here stood last before here; -1 if it is the first of its kind."""
    order = inputs.tokens.argsort(dim=1, stable=True)
    kinds = inputs.tokens.gather(1, order)
    again = torch.zeros_like(inputs.tokens)
    again[:, 1:] = torch.where(kinds[:, 1:] == kinds[:, :-1], order[:, :-1], -1)
    again[:, :1] = -1
    return torch.zeros_like(again).scatter(1, order, again)
