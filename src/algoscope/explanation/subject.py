"""A node that is asked what it carries: by a screen, and by interventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from algoscope.explanation.lexicon import Factors, Lexicon, entropy
from algoscope.explanation.partners import stand_ins
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.rows import Rows
from algoscope.explanation.screen import Screen, directions
from algoscope.explanation.tested import Tested
from algoscope.explanation.trial import Change, Stage

SCREENED = 2500
"""Rows that a concept is screened on."""
TRIED = 20_000
"""Rows that partners are drawn from."""
PRICE = 0.25
"""Bits that each primitive costs beyond its entropy: of two that say nearly the same the simpler wins."""
COMMON = 8
"""Rows that see the same, from which on that is common."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Concepts taken together, as the screen sees them."""

    factors: Factors
    left: float
    bits: float
    cost: float
    codes: Int[Tensor, "screened"]

    @property
    def cells(self) -> int:
        return int(self.codes.max()) + 1


@dataclass(frozen=True, eq=False)
class Subject:
    """A node that is asked."""

    node: Node
    lexicon: Lexicon
    rows: Rows
    sample: Int[Tensor, "sample"]
    """The rows that partners are drawn from, those on which changes are tried first."""
    screen: Screen
    screened: Int[Tensor, "screened"]
    """Which rows the screen sees."""
    seed: int

    @cached_property
    def sampled(self) -> Bool[Tensor, "batch seq"]:
        """Where the rows are that partners are drawn from."""
        return _mask(self.rows.where, self.sample)

    @cached_property
    def common(self) -> Bool[Tensor, "tested"]:
        """Of the rows that are tried: whether many rows see the same as this one."""
        return _common(self.rows.identity[self.sample])[: self.rows.tested]

    @cached_property
    def seen(self) -> Bool[Tensor, "batch seq"]:
        """Where the rows are that the screen sees."""
        return _mask(self.rows.where, self.screened)

    @cached_property
    def singles(self) -> list[Candidate]:
        """Every concept that it can know and that differs between its rows."""
        known = self.lexicon.known(self.node.component)
        found = self.candidates([((index,), self.lexicon.at(index, self.seen)) for index in known])
        return [each for each in found if each.bits > 0]

    def joined(self, factors: Factors) -> list[Candidate]:
        """Concepts taken together, as the screen sees them."""
        return self.candidates([(factors, self.lexicon.together(factors, self.seen))])

    def test(self, stage: Stage, factors: Factors, anything: Change | None = None) -> Tested:
        """The answers with the node's output on another row that agrees in place of its own."""
        generator = Generator().manual_seed(self.seed)
        codes = self.lexicon.together(factors, self.sampled)
        wanted = torch.arange(self.rows.tested)
        source, alone = stand_ins(codes, self.rows.identity[self.sample], wanted, generator)
        component = self.node.component
        values = stage.value(component)[self.sampled][source]
        where = self.rows.where[: len(stage.bench)]
        change = stage.change_if(component, where, values).less(stage.change)
        untried = alone & ~self.common
        return Tested(factors, entropy(codes), change, anything or change, _share(alone), _share(untried))

    def candidates(self, found: Sequence[tuple[Factors, Tensor]]) -> list[Candidate]:
        """Screened, each partition once."""
        kept: dict[bytes, tuple[Factors, Tensor]] = {}
        for factors, codes in found:
            kept.setdefault(first_numbered(codes).numpy().tobytes(), (factors, codes))
        if not kept:
            return []
        codes = torch.stack([codes for _, codes in kept.values()])
        left, bits = self.screen.unexplained(codes, codes.amax(1) + 1)
        return [
            Candidate(factors, least, bit, bit + PRICE * self.lexicon.price(factors), code)
            for (factors, code), least, bit in zip(kept.values(), left.tolist(), bits.tolist(), strict=True)
        ]


def subject(
    pool: Pool,
    lexicon: Lexicon,
    node: Node,
    own: Rows,
    sensitivity: Float[Tensor, "draw batch seq d"],
    seed: int,
) -> Subject:
    """A node ready to be asked. `sensitivity` is on the first inputs of the pool."""
    generator = Generator().manual_seed(seed)
    count = len(own.identity)
    rest = torch.randperm(count - own.tested, generator=generator)[: max(0, TRIED - own.tested)]
    sample = torch.cat([torch.arange(own.tested), own.tested + rest.sort().values])
    screened = _unlike(own.identity, generator)
    axes = directions(sensitivity[:, own.where[: sensitivity.shape[1]]].flatten(0, 1))
    clean = pool.value(node.component)[own.where][screened]
    return Subject(
        node, lexicon, own, sample, Screen(clean @ axes, _common(own.identity)[screened]), screened, seed
    )


def first_numbered(codes: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """The partition of numbers 0, 1, 2 ..., numbered by first occurrence: equal for equal partitions."""
    count = int(codes.max()) + 1 if len(codes) else 0
    first = torch.full((count,), len(codes)).scatter_reduce_(0, codes, torch.arange(len(codes)), "amin")
    rank = torch.empty_like(first)
    rank[first.argsort()] = torch.arange(count)
    return rank[codes].int()


def _common(identity: Int[Tensor, "row"]) -> Bool[Tensor, "row"]:
    """Which rows see what many others do."""
    found, count = identity.unique(return_inverse=True, return_counts=True)[1:]
    common: Tensor = count[found] >= COMMON
    return common


def _share(which: Bool[Tensor, "row"]) -> float:
    return float(which.double().mean())


def _mask(where: Tensor, which: Tensor) -> Tensor:
    """The places of some of the rows, in order."""
    places = where.nonzero()[which]
    kept = torch.zeros_like(where)
    kept[places[:, 0], places[:, 1]] = True
    return kept


def _unlike(identity: Tensor, generator: Generator) -> Tensor:
    """Up to SCREENED rows, in order, no two of which see the same."""
    order = torch.randperm(len(identity), generator=generator)
    _, which = identity[order].unique(return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(order))
    first.scatter_reduce_(0, which, torch.arange(len(order)), "amin")
    return order[first.sort().values[:SCREENED]].sort().values
