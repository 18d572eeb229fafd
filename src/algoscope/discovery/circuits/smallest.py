"""The smallest circuit that is faithful enough, and whether quite another would do as well."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.scores import Scores

Edges = Bool[Tensor, "edge"]

ROUNDING = 1e-6
"""Faithfulness is told no closer than this."""


def smallest(contrast: Contrast, scores: Scores, faithful: float) -> Edges:
    """The fewest best-scored edges that are faithful enough, less those that can still be left out.

    Faithful enough is within 1 - `faithful` of the whole model, on either side. At worst it is all edges.
    """
    sizes = torch.arange(len(scores.each) + 1)
    found = contrast.faithfulness(scores.nested(sizes).to(contrast.every))
    enough = (abs(found - 1) <= 1 - faithful + ROUNDING).nonzero()[:, 0]
    kept = scores.nested(enough[:1].cpu())[0].bool()
    return without(contrast, kept, scores.order.flip(0).tolist(), faithful)


def rival(contrast: Contrast, kept: Edges, scores: Scores, faithful: float) -> Edges:
    """A circuit that is as faithful with as few edges of this one as could be found.

    From the whole model, edges of this circuit are left out as far as possible, the lowest scores first; then
    others. Greedy, so there may be one that shares less.
    """
    lowest = scores.order.flip(0).tolist()
    order = [number for number in lowest if kept[number]] + [n for n in lowest if not kept[n]]
    return without(contrast, torch.ones_like(kept), order, faithful)


@torch.no_grad()
def without(contrast: Contrast, kept: Edges, order: Sequence[int], faithful: float) -> Edges:
    """What is left when edges are left out in this order, each if the rest stays faithful enough.

    Many are tried together: twice as many after each success, half as many after a failure. When even one
    is too many, the others are tried alone as one batch, and those that may not go alone not again.
    """

    def fine(sets: Sequence[Sequence[int]]) -> list[bool]:
        found = contrast.faithfulness(contrast.cut(kept, sets))
        return (abs(found - 1) <= 1 - faithful + ROUNDING).tolist()

    kept = kept.clone()
    left, count = [number for number in order if kept[number]], 1
    while left:
        if fine([left[:count]])[0]:
            kept[left[:count]] = False
            left, count = left[count:], 2 * count
        elif count > 1:
            count = max(1, min(count, len(left)) // 2)
        else:
            alone = fine([[number] for number in left[1:]]) if left[1:] else []
            left = [number for number, may_go in zip(left[1:], alone, strict=True) if may_go]
    return kept


def overlap(one: Edges, other: Edges) -> float:
    """Shared edges as a share of all that either has: the Jaccard index. 1 for two empty ones."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0
