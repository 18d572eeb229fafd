"""Edges left out one after the other as long as the model's answers stay, each step verified.

The idea is ACDC's (Conmy et al. 2023): an edge goes if the answers change by less than a threshold without
it, given what is gone already, so that of two edges of which either would do one stays. Here each round tries
every edge that is left at once, then as many together as the threshold allows, the least missed first.
Thresholds grow step by step, so that every edge gets its turn, and its place in a ranking.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.scores import Scores

FIRST, FACTOR = 1e-4, 2.0
"""The lowest threshold, in nats of KL from the whole model's answers, and by what thresholds grow."""
TOGETHER = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Of the edges that may go by themselves: how many are tried together."""


@torch.no_grad()
def pruning(contrast: Contrast, first: float = FIRST, factor: float = FACTOR) -> Scores:
    """Edges by the threshold at which they go, and within one by when they go.

    What each example says of an edge is how far it is from the whole model without it, when its turn came.
    """
    kept, threshold = contrast.every.bool(), first
    gone: list[int] = []
    evidence = torch.zeros(len(kept), len(contrast.patched.examples), dtype=torch.double)
    missed = _missed(contrast, kept)
    while kept.any():
        leaving = _leaving(contrast, kept, missed.mean(1), threshold)
        if leaving:
            gone += leaving
            kept[leaving] = False
            evidence[leaving] = missed[leaving]
            missed = _missed(contrast, kept) if kept.any() else missed
        else:
            threshold = max(threshold * factor, float(missed.mean(1).min()))
    scores = torch.zeros(len(gone), dtype=torch.double)
    scores[gone] = torch.arange(1, len(gone) + 1, dtype=torch.double)
    return Scores(contrast.graph, "pruning", scores, evidence)


def _missed(contrast: Contrast, kept: Bool[Tensor, "edge"]) -> Float[Tensor, "edge example"]:
    """How far each example is from the whole model with each edge gone too; infinitely for those gone."""
    left = kept.nonzero()[:, 0]
    masks = kept.to(contrast.every).repeat(len(left), 1)
    masks[torch.arange(len(left)), left] = 0
    examples = contrast.patched.examples
    found = torch.full((len(kept), len(examples)), torch.inf, dtype=torch.double)
    far = contrast.divergence(masks).double()
    by_example = far.new_zeros(len(far), len(examples)).index_add(1, examples.row_example, far)
    found[left.cpu()] = (by_example / examples.answered.sum(1).clamp(min=1)).cpu()
    return found


def _leaving(
    contrast: Contrast, kept: Bool[Tensor, "edge"], missed: Float[Tensor, "edge"], threshold: float
) -> list[int]:
    """The most edges that may go together, the least missed first; none if not even one may."""
    order = [number for number in missed.argsort().tolist() if missed[number] <= threshold]
    if not order:
        return []
    counts = sorted({max(1, round(len(order) * share)) for share in TOGETHER})
    masks = kept.to(contrast.every).repeat(len(counts), 1)
    for mask, count in zip(masks, counts, strict=True):
        mask[order[:count]] = 0
    far = contrast.divergence(masks).double().mean(1).tolist()
    fine = [count for count, each in zip(counts, far, strict=True) if each <= threshold]
    return order[: fine[-1]] if fine else order[:1]
