"""Edges left out one after the other as long as the model's answers stay, each step verified.

The idea is ACDC's (Conmy et al. 2023): an edge goes if the answers change by less than a threshold without
it, given what is gone already, so that of two edges of which either would do one stays. Here as many edges go
together as the threshold allows, the least missed first. How much each is missed is measured again, of all
that are left at once, only when not all could go that were expected to. Thresholds grow step by step, so that
every edge gets its turn, and its place in a ranking.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.plan import heard
from algoscope.discovery.circuits.scores import Scores

FIRST, FACTOR = 1e-4, 2.0
"""The lowest threshold, in nats of KL from the whole model's answers, and by what thresholds grow."""
TOGETHER = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Of the edges that may go by themselves: how many are tried together."""


@torch.no_grad()
def pruning(contrast: Contrast, first: float = FIRST, factor: float = FACTOR) -> Scores:
    """Edges by the threshold at which they go, and within one by when they go.

    What each example says of an edge is how far it is from the whole model without it, when last measured.
    """
    kept, threshold = contrast.every.bool().cpu(), first
    gone: list[int] = []
    evidence = torch.zeros(len(kept), len(contrast.patched.examples), dtype=torch.double)
    missed, fresh = _missed(contrast, kept, kept), True
    while kept.any():
        mean = missed.mean(1)
        expected = [each for each in mean.argsort().tolist() if kept[each] and mean[each] <= threshold]
        leaving = _leaving(contrast, kept, expected, threshold)
        if not expected:
            threshold, fresh = max(threshold * factor, float(mean[kept].min())), False
        elif leaving or fresh:
            # By itself the least missed edge was measured to be within the threshold.
            leaving = leaving or expected[:1]
            gone += leaving
            evidence[leaving] = missed[leaving]
            kept[leaving] = False
            missed[_unheard(contrast, kept)] = 0
            fresh = False
        else:
            again = torch.zeros_like(kept)
            again[expected] = True
            missed[again], fresh = _missed(contrast, kept, again)[again], True
    scores = torch.zeros(len(gone), dtype=torch.double)
    scores[gone] = torch.arange(1, len(gone) + 1, dtype=torch.double)
    return Scores(contrast.graph, "pruning", scores, evidence, "rank")


def _missed(
    contrast: Contrast, kept: Bool[Tensor, "edge"], asked: Bool[Tensor, "edge"]
) -> Float[Tensor, "edge example"]:
    """How far each example is from the whole model with each edge gone too; infinitely for those gone."""
    left = asked.nonzero()[:, 0]
    masks = contrast.cut(kept, [[number] for number in left.tolist()])
    examples = contrast.patched.examples
    found = torch.full((len(kept), len(examples)), torch.inf, dtype=torch.double)
    far = contrast.divergence(masks).double()
    by_example = far.new_zeros(len(far), len(examples)).index_add(1, examples.row_example, far)
    found[left] = (by_example / examples.answered.sum(1).clamp(min=1)).cpu()
    return found


def _leaving(
    contrast: Contrast, kept: Bool[Tensor, "edge"], expected: list[int], threshold: float
) -> list[int]:
    """The first of these edges, as many as may go together."""
    counts = sorted({max(1, round(len(expected) * share)) for share in TOGETHER}) if expected else []
    masks = contrast.cut(kept, [expected[:count] for count in counts])
    far = contrast.divergence(masks).double().mean(1).tolist() if expected else []
    fine = [count for count, each in zip(counts, far, strict=True) if each <= threshold]
    return expected[: fine[-1]] if fine else []


def _unheard(contrast: Contrast, kept: Bool[Tensor, "edge"]) -> Bool[Tensor, "edge"]:
    """The edges from whose receivers nothing gets to the answer any more."""
    pairs = contrast.patched.pairs
    reached = heard(pairs, kept.view(len(pairs.edges), -1).any(1).tolist())
    return torch.tensor([edge.receiver not in reached for edge in contrast.graph.edges])
