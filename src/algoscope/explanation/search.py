"""Which is the simplest concept that a node carries? Screened by variance, decided by interventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.explanation.importance import idle
from algoscope.explanation.lexicon import Factors, Lexicon, entropy, numbered
from algoscope.explanation.partners import partners
from algoscope.explanation.places import Node
from algoscope.explanation.rows import Rows
from algoscope.explanation.screen import Screen, directions
from algoscope.explanation.trial import Change, Stage

SCREENED = 2500
"""Rows that a concept is screened on."""
TRIED = 20_000
"""Rows that partners are drawn from."""
FACTORS = 5
"""The most concepts that are taken together."""
TESTS = 10
"""Interventions at each number of concepts."""
BEAM = 4
WIDE = 120
"""Concepts that each of the best is taken together with."""
PRICE = 0.25
"""Bits that each primitive costs beyond its entropy: of two that say nearly the same the simpler wins."""
LEFT = 0.7
"""Share of the variance that a concept may leave, and still be tested."""
SLACK_KL = 0.1
"""Share of a node's effect that may be lost."""
SLACK_CHANGED = 0.01
"""Share of inputs that may be answered otherwise."""
ALONE = 0.2
"""Share of rows for which there may be no partner."""


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
class Tested:
    """A concept of a node, and what became of the answers when it alone decided what stands there."""

    factors: Factors
    bits: float
    change: Change
    """Beyond what had moved already."""
    anything: Change
    """The same with nothing kept."""
    alone: float
    """Share of rows that no other row agrees with."""

    @property
    def carried(self) -> float:
        """1: all that the node does is kept. 0: no more than with any other input's output."""
        return 1 - self.change.kl / self.anything.kl if self.anything.kl > 0 else 1.0

    @property
    def lost(self) -> float:
        """How much is lost, of what nothing at all would lose: the worse of answers and distributions."""
        kl = self.change.kl / max(self.anything.kl, 0.02)
        return max(kl, self.change.changed / max(self.anything.changed, 0.01)) + self.alone

    @property
    def enough(self) -> bool:
        """Whether the concept explains the node."""
        return (
            self.change.kl <= max(SLACK_KL * self.anything.kl, 0.002)
            and self.change.changed <= max(SLACK_CHANGED, 0.02 * self.anything.changed)
            and self.alone <= ALONE
        )


@dataclass(frozen=True, eq=False)
class Subject:
    """A node that is asked, at one stage of a run."""

    node: Node
    stage: Stage
    lexicon: Lexicon
    rows: Rows
    sample: Int[Tensor, "sample"]
    """The rows that partners are drawn from, those on which changes are tried first."""
    screen: Screen
    screened: Int[Tensor, "screened"]
    """Which rows the screen sees."""
    before: Change
    seed: int

    def test(self, factors: Factors, anything: Change | None = None) -> Tested:
        """The answers with the node's output on another row that agrees in place of its own."""
        generator = Generator().manual_seed(self.seed)
        kept = _mask(self.rows.where, self.sample)
        codes = self.lexicon.together(factors, kept)
        wanted = torch.arange(self.rows.tested)
        other = partners(codes, self.rows.identity[self.sample], wanted, generator)
        alone = other < 0
        component = self.node.component
        values = self.stage.value(component)[kept][torch.where(alone, wanted, other)]
        where = self.rows.where[: len(self.stage.bench)]
        change = self.stage.change_if(component, where, values).less(self.before)
        share = float(alone.double().mean())
        return Tested(factors, entropy(codes), change, anything or change, share)

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
    lexicon: Lexicon, node: Node, own: Rows, stage: Stage, sensitivity: Float[Tensor, "draw batch seq d"], seed: int
) -> Subject:
    """A node ready to be asked. `sensitivity` is on the first inputs of the pool."""
    generator = Generator().manual_seed(seed)
    count = len(own.identity)
    rest = torch.randperm(count - own.tested, generator=generator)[: max(0, TRIED - own.tested)]
    sample = torch.cat([torch.arange(own.tested), own.tested + rest.sort().values])
    clean = stage.bench.pool.value(node.component)[own.where]
    screened = _unlike(own.identity, generator)
    axes = directions(sensitivity[:, own.where[: sensitivity.shape[1]]].flatten(0, 1))
    return Subject(
        node, stage, lexicon, own, sample, Screen(clean[screened] @ axes), screened, stage.change(), seed
    )


def search(subject: Subject, inherited: Sequence[Factors], start: Factors = ()) -> Tested:
    """The cheapest concept that carries enough; else the one that loses least.

    `inherited` are the concepts of what the node reads: it may carry them on. What is found says at least
    what `start` says.
    """
    anything = subject.test(())
    if idle(anything.change):
        return anything
    singles = _singles(subject)
    if start:
        found = subject.test(start, anything.change)
        if found.enough:
            return found
        best = [anything, found]
        beam = _wider(subject, subject.candidates([(start, _joined(subject, start))]), singles)
    else:
        best = [anything]
        beam = singles + subject.candidates(
            [(factors, _joined(subject, factors)) for factors in inherited if len(factors) > 1]
        )
    for count in range(len(start) + 1, FACTORS + 1):
        if not beam:
            break
        passing, tried = _cheapest(subject, beam, anything.change)
        best += tried
        if passing is not None:
            return _pruned(subject, passing, anything.change, start)
        if count == FACTORS:
            break
        wider = _wider(subject, beam, singles)
        if not wider or min(each.left for each in wider) > 0.97 * min(each.left for each in beam):
            break
        beam = wider
    return min(best, key=lambda each: each.lost)


def _singles(subject: Subject) -> list[Candidate]:
    mask = _mask(subject.rows.where, subject.screened)
    lexicon = subject.lexicon
    found = [((index,), numbered(lexicon.codes[index][mask])) for index in lexicon.known(subject.node.component)]
    return [each for each in subject.candidates(found) if each.bits > 0]


def _joined(subject: Subject, factors: Factors) -> Tensor:
    return subject.lexicon.together(factors, _mask(subject.rows.where, subject.screened))


def _cheapest(
    subject: Subject, beam: Sequence[Candidate], anything: Change
) -> tuple[Tested | None, list[Tested]]:
    """The cheapest that passes, of those that each leave less than all cheaper ones."""
    least = min(each.left for each in beam)
    frontier: list[Candidate] = []
    for each in sorted(beam, key=lambda each: each.cost):
        if each.left <= max(LEFT, 1.5 * least) and (not frontier or each.left < 0.97 * frontier[-1].left):
            frontier.append(each)
    thinned = [frontier[-1 - (index * len(frontier)) // TESTS] for index in range(min(TESTS, len(frontier)))]
    tried = []
    for each in sorted(thinned, key=lambda each: each.cost):
        tried.append(subject.test(each.factors, anything))
        if tried[-1].enough:
            return tried[-1], tried
    return None, tried


def _pruned(subject: Subject, found: Tested, anything: Change, kept: Factors) -> Tested:
    """Without the factors that can be left out."""
    for factor in set(found.factors) - set(kept):
        rest = tuple(each for each in found.factors if each != factor)
        if rest:
            fewer = subject.test(rest, anything)
            if fewer.enough:
                found = fewer
    return found


def _wider(subject: Subject, beam: Sequence[Candidate], singles: Sequence[Candidate]) -> list[Candidate]:
    """The best of the beam, each taken together with one concept more, where that leaves less."""
    seeds = sorted(beam, key=lambda each: each.left + 0.01 * each.cost)[:BEAM]
    partners = sorted(singles, key=lambda each: each.left + 0.01 * each.cost)[:WIDE]
    found = []
    for seed in seeds:
        for other in partners:
            if other.factors[0] not in seed.factors and seed.cells * other.cells < 2_000_000:
                factors = tuple(sorted((*seed.factors, *other.factors)))
                found.append((seed, factors, seed.codes * other.cells + other.codes))
    if not found:
        return []
    ranked = [numbered(codes) for _, _, codes in found]
    wider = subject.candidates([(factors, codes) for (_, factors, _), codes in zip(found, ranked, strict=True)])
    least = min(each.left for each in seeds)
    return [each for each in wider if each.left < max(0.97 * least, 0.0)] or sorted(wider, key=lambda e: e.left)[:BEAM]


def first_numbered(codes: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """The same partition, numbered by first occurrence: equal for equal partitions."""
    values, found = codes.unique(return_inverse=True)
    first = torch.full((len(values),), len(codes)).scatter_reduce_(0, found, torch.arange(len(codes)), "amin")
    rank = torch.empty_like(first)
    rank[first.argsort()] = torch.arange(len(values))
    return rank[found].int()


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
