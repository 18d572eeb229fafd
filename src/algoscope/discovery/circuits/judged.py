"""How well does a method find the edges of a model whose circuit is known?"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.compiled.compiler import Compiled
from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.scores import Scores
from algoscope.discovery.circuits.smallest import smallest
from algoscope.tasks.task import Examples


@dataclass(frozen=True)
class Judged:
    """One method on one program."""

    program: str
    method: str
    auroc: float
    """That a true edge scores higher than another, ties counting half."""
    precision: float
    """Of the smallest circuit that is faithful enough: the share of its edges that are true."""
    recall: float
    """The share of the true edges that it has."""
    size: int
    true: int
    edges: int


def judge(
    compiled: Compiled, contrast: Contrast, partners: Examples, scores: Scores, faithful: float
) -> Judged:
    """The scores, and the smallest circuit by them, against the true edges.

    An edge that the program does not have is a mistake, though the model may have it.
    """
    true = contrast.graph.mask(told_apart(compiled, contrast.patched.examples, partners))
    kept = smallest(contrast, scores, faithful)
    hits = int((true & kept).sum())
    return Judged(
        compiled.program.name,
        scores.method,
        auroc(scores.each.cpu(), true),
        hits / max(1, int(kept.sum())),
        hits / int(true.sum()),
        int(kept.sum()),
        int(true.sum()),
        len(true),
    )


def told_apart(compiled: Compiled, examples: Examples, partners: Examples) -> frozenset[Edge]:
    """The edges of the program that carry something else for the two inputs of some pair.

    What is the same for both (a position, a length) is not to be found by swapping them, and not asked for.
    """
    one, other = compiled.values(examples.tokens), compiled.values(partners.tokens)
    return frozenset(
        Edge(wire.sender, wire.receiver, wire.input)
        for wire in compiled.graph.wires
        if (one[wire.variable] != other[wire.variable])[:, list(wire.positions)].any()
    )


def auroc(scores: Float[Tensor, "edge"], true: Bool[Tensor, "edge"]) -> float:
    """The chance that a true edge scores higher than one that is not; ties count half.

    >>> auroc(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, False]))
    1.0
    """
    gaps = scores[true][:, None] - scores[~true][None]
    return float(((gaps > 0).double() + 0.5 * (gaps == 0).double()).mean())
