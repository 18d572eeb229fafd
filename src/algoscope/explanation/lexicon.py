"""The concepts that are offered, with what each is on a pool of inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.model.component import Component

PRICE = 0.1
"""Bits that each primitive of a concept costs beyond its entropy: of two that say the same the simpler wins."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A concept on the rows of a node."""

    concept: Concept
    codes: Int[Tensor, "row"]
    """0, 1, 2 ... in order of first occurrence."""
    cells: int
    bits: float
    """Its entropy over the rows."""
    also: tuple[Concept, ...] = field(default=())
    """Others that say the same on every row."""

    @property
    def cost(self) -> float:
        """What it costs to say it, in bits."""
        return self.bits + PRICE * self.concept.price


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Concepts with their numbers at every place of a pool's inputs."""

    concepts: tuple[Concept, ...]
    codes: Int[Tensor, "concept batch seq"]
    causal: bool

    @classmethod
    def of(cls, concepts: Sequence[Concept], inputs: Inputs) -> Lexicon:
        found = [concept.of(inputs).expand_as(inputs.tokens) for concept in concepts]
        # Four bytes a number: the library on a large pool is the largest thing that is kept.
        codes = torch.stack([(code % 2_147_483_647).int() for code in found])
        return cls(tuple(concepts), codes, inputs.language.causal)

    def readings(self, component: Component, where: Bool[Tensor, "batch seq"]) -> list[Reading]:
        """What a component can know at these places, each partition of them once, simplest name first."""
        seen: dict[bytes, Reading] = {}
        for concept, codes in self._known(component):
            found = read(concept, codes[where])
            key = found.codes.to(torch.int32).numpy().tobytes()
            if key not in seen:
                seen[key] = found
            else:
                first = seen[key]
                seen[key] = Reading(
                    first.concept, first.codes, first.cells, first.bits, (*first.also, concept)
                )
        return list(seen.values())

    def _known(self, component: Component) -> Iterator[tuple[Concept, Tensor]]:
        order = sorted(
            range(len(self.concepts)),
            key=lambda index: (
                self.concepts[index].price,
                self.concepts[index].depth,
                self.concepts[index].sees,
            ),
        )
        for index in order:
            if knows(component, self.concepts[index], self.causal):
                yield self.concepts[index], self.codes[index]


def knows(component: Component, concept: Concept, causal: bool) -> bool:
    """Whether a component at a place can have seen enough of the input to know a concept there."""
    return not concept.answer and concept.depth <= component.layer + 1 and not (causal and concept.sees is Sees.ANYWHERE)


def read(concept: Concept, codes: Int[Tensor, "row"]) -> Reading:
    """A concept on some rows."""
    values, found, counts = codes.unique(return_inverse=True, return_counts=True)
    first = torch.full((len(values),), len(codes), device=codes.device)
    first.scatter_reduce_(0, found, torch.arange(len(codes), device=codes.device), "amin")
    rank = torch.empty_like(first)
    rank[first.argsort()] = torch.arange(len(values), device=codes.device)
    return Reading(concept, rank[found], len(values), entropy(counts))


def entropy(counts: Int[Tensor, "cell"]) -> float:
    """Of a partition into cells of these sizes, in bits."""
    share = counts.double() / counts.sum()
    return float(-(share * share.log2()).sum()) if len(counts) > 1 else 0.0


def paired(first: Reading, second: Reading, concept: Concept) -> Reading:
    """What two readings say together, under the name of a concept that says so."""
    return read(concept, first.codes * second.cells + second.codes)


def log2(count: int) -> float:
    return math.log2(max(count, 1))
