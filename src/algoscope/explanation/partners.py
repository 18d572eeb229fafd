"""For each row another row that agrees with it on one thing and differs from it in another."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor


def partners(
    agree: Int[Tensor, "row"], apart: Int[Tensor, "row"], wanted: Int[Tensor, "wanted"], generator: Generator
) -> Int[Tensor, "wanted"]:
    """A row for each of the wanted ones: drawn evenly from those with its `agree` and another `apart`.

    -1 where there is none: a row must not stand in for itself, for that would test nothing.

    >>> agree, apart = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 2])
    >>> partners(agree, apart, torch.arange(4), Generator().manual_seed(0)).tolist()
    [1, 0, -1, -1]
    """
    order = torch.argsort(apart, stable=True)
    order = order[torch.argsort(agree[order], stable=True)]
    place = torch.empty_like(order).index_put((order,), torch.arange(len(order), device=order.device))
    agrees, differs = agree[order], apart[order]
    new_bucket = torch.ones_like(agrees, dtype=torch.bool)
    new_bucket[1:] = agrees[1:] != agrees[:-1]
    new_run = new_bucket.clone()
    new_run[1:] |= differs[1:] != differs[:-1]
    first, last = _bounds(new_bucket)
    own_first, own_last = _bounds(new_run)
    at = place[wanted]
    own = own_last[at] - own_first[at]
    room = last[at] - first[at] - own
    draw = torch.rand(len(wanted), generator=generator, dtype=torch.float64).to(agree.device)
    chosen = first[at] + (draw * room).long().clamp(max=(room - 1).clamp(min=0))
    chosen = torch.where(chosen >= own_first[at], chosen + own, chosen)
    return torch.where(room > 0, order[chosen.clamp(max=len(order) - 1)], -1)


def stand_ins(
    agree: Int[Tensor, "row"], apart: Int[Tensor, "row"], wanted: Int[Tensor, "wanted"], generator: Generator
) -> tuple[Int[Tensor, "wanted"], Bool[Tensor, "wanted"]]:
    """A partner for each row, itself where it has none; and which have none."""
    other = partners(agree, apart, wanted, generator)
    alone = other < 0
    return torch.where(alone, wanted, other), alone


def _bounds(starts: Tensor) -> tuple[Int[Tensor, "row"], Int[Tensor, "row"]]:
    """Where the run of each row begins, and where the next begins, from a mark at each run's first row."""
    begins = starts.nonzero()[:, 0]
    which = starts.cumsum(0) - 1
    ends = torch.cat([begins[1:], begins.new_tensor([len(starts)])])
    return begins[which], ends[which]
