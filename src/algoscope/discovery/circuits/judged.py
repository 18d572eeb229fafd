"""How well does a method find the edges of a model whose circuit is known?

Where a program votes, several sets of its edges are each enough. A method that ranks one of them first, or
finds one, has found the program: it is judged by the set that it comes closest to, and edges that only the
others have count neither for it nor against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.compiled.compiler import Compiled
from algoscope.compiled.graph import Wire
from algoscope.discovery.circuits.circuit import circuit
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
    """That a true edge scores higher than one that the program lacks, ties counting half."""
    precision: float
    """Of the smallest circuit that is faithful enough: the share of its edges that are the program's."""
    recall: float
    """The share of the true edges that it has."""
    size: int
    true: int
    """How many edges the set has that the circuit comes closest to."""
    large: float | None
    """The faithfulness of those edges alone whose own effect is at least what a faithful circuit may lose.
    None for a method that ranks edges and measures no effects."""
    ways: int
    """How many sets of the program's edges are each enough: 1, but for programs that vote."""
    edges: int


def judge(
    compiled: Compiled, contrast: Contrast, partners: Examples, scores: Scores, faithful: float
) -> Judged:
    """The scores, and the smallest circuit by them, against the true edges.

    An edge that the program does not have is a mistake, though the model may have it.
    """
    differing = told_apart(compiled, contrast.patched.examples, partners)
    ways = [contrast.graph.mask(differing & _edges(way)) for way in compiled.graph.ways]
    lacking = ~contrast.graph.mask(differing)
    kept, each = smallest(contrast, scores, faithful), scores.each.cpu()
    true = max(ways, key=lambda way: _share(way, kept))
    return Judged(
        compiled.program.name,
        scores.method,
        max(auroc(each[way | lacking], way[way | lacking]) for way in ways),
        _share(kept, ~lacking),
        _share(true, kept),
        int(kept.sum()),
        int(true.sum()),
        _large(contrast, scores, 1 - faithful) if scores.unit == "effect" else None,
        len(ways),
        len(true),
    )


def _large(contrast: Contrast, scores: Scores, least: float) -> float:
    """The faithfulness of the edges that alone cost this share of what cutting every edge costs."""
    whole, empty = (contrast.measured(end[None]) for end in contrast.ends)
    everything = float(contrast.by_example(whole - empty).abs().mean())
    return circuit(contrast, contrast.graph.of(scores.each.cpu() >= least * everything)).faithfulness


def _share(edges: Bool[Tensor, "edge"], which: Bool[Tensor, "edge"]) -> float:
    """Of these edges, how many are among the others."""
    return int((edges & which).sum()) / max(1, int(edges.sum()))


def _edges(wires: Iterable[Wire]) -> frozenset[Edge]:
    return frozenset(Edge(wire.sender, wire.receiver, wire.input) for wire in wires)


def told_apart(compiled: Compiled, examples: Examples, partners: Examples) -> frozenset[Edge]:
    """The edges of the program that carry something else for the two inputs of some pair.

    What is the same for both (a position, a length) is not to be found by swapping them, and not asked for.
    """
    one, other = compiled.values(examples.tokens), compiled.values(partners.tokens)
    return _edges(
        wire
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
