"""A circuit: some edges of a model, and how much of what the model does they do alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.scores import Scores
from algoscope.tasks.answers import right

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of all edges, by count: where the curve is measured, as in MIB (Mueller et al. 2025)."""


@dataclass(frozen=True)
class Curve:
    """Faithfulness against the share of edges that are kept, the highest scores first."""

    shares: tuple[float, ...]
    faithfulness: tuple[float, ...]

    @property
    def cpr(self) -> float:
        """Circuit performance ratio: the area under the curve. Higher is better; it may exceed 1."""
        return _area(self.shares, self.faithfulness)

    @property
    def cmd(self) -> float:
        """Circuit-model distance: the area between the curve and 1. Lower is better."""
        return _area(self.shares, [abs(1 - each) for each in self.faithfulness])


@dataclass(frozen=True)
class Circuit:
    """Edges that are kept while all others are cut, and what was measured of them."""

    edges: tuple[Edge, ...]
    faithfulness: float
    """(m(circuit) - m(nothing)) / (m(all) - m(nothing)), m the contrast's measure."""
    rest: float
    """The same of all other edges together: how much of the work can be done without the circuit."""
    kl: float
    """KL(whole model || circuit), a mean over answers, in nats."""
    accuracy: float
    """Share of answers that the circuit alone gets right."""


def curve(contrast: Contrast, scores: Scores, shares: Sequence[float] = SHARES) -> Curve:
    """The faithfulness of the best-scored edges at each size."""
    sizes = torch.tensor([round(share * len(scores.each)) for share in shares])
    found = contrast.faithfulness(scores.nested(sizes).to(contrast.every))
    return Curve(tuple(shares), tuple(found.tolist()))


def circuit(contrast: Contrast, edges: Sequence[Edge]) -> Circuit:
    """These edges, with what they do alone."""
    kept = contrast.graph.mask(edges)
    masks = torch.stack((kept, ~kept)).to(contrast.every)
    alone, rest = contrast.faithfulness(masks).tolist()
    answered = right(contrast.logits(masks[:1]), contrast.patched.examples.labels)
    return Circuit(
        contrast.graph.of(kept),
        alone,
        rest,
        float(contrast.divergence(masks[:1]).double().mean()),
        float(answered.double().mean()),
    )


def worth(contrast: Contrast, edges: Sequence[Edge]) -> dict[Edge, float]:
    """By how much the faithfulness of a circuit falls when one edge of it is cut too, for each."""
    kept = contrast.graph.mask(edges)
    each = [[number] for number in kept.nonzero()[:, 0].tolist()]
    alone, *less = contrast.faithfulness(contrast.cut(kept, [[], *each])).tolist()
    return dict(zip(contrast.graph.of(kept), (alone - each for each in less), strict=True))


def _area(shares: Sequence[float], heights: Sequence[float]) -> float:
    """By trapezoids, on a linear axis."""
    steps = zip(shares, shares[1:], heights, heights[1:], strict=False)
    return sum((right - left) * (low + high) / 2 for left, right, low, high in steps)
