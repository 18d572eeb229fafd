"""Small changes of inputs, drawn for a whole batch at once."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Generator, Tensor


def one_replaced(
    values: Int[Tensor, "batch place"], below: int, generator: Generator, lengths: Tensor | None = None
) -> Int[Tensor, "batch place"]:
    """Each row with one of its values replaced by another one from 0 to `below` - 1, all as likely.

    Of a row that is shorter than the others, `lengths` says how many values it has.
    """
    n, width = values.shape
    size = torch.full((n,), width) if lengths is None else lengths
    place = (torch.rand(n, generator=generator) * size).long()[:, None]
    shift = torch.randint(1, below, (n, 1), generator=generator)
    return values.scatter(1, place, (values.gather(1, place) + shift) % below)
