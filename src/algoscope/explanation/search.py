"""Which is the simplest concept that a node carries? Screened by variance, decided by interventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from algoscope.explanation.concepts import Concept
from algoscope.explanation.importance import idle
from algoscope.explanation.lexicon import Factors, Lexicon, entropy, numbered
from algoscope.explanation.partners import partners
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
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
FEWEST = 5
BEAM = 4
MOST_CELLS = 2_000_000
WIDE = 120
"""Concepts that each of the best is taken together with."""
PRICE = 0.25
"""Bits that each primitive costs beyond its entropy: of two that say nearly the same the simpler wins."""
LEFT = 0.7
"""Share of the variance that a concept may leave, and still be tested."""
NEAR = 0.08
"""Where nothing carries enough, a simpler concept is taken if it loses so little more than the best."""
SLACK_KL = 0.1
"""Share of a node's effect that may be lost."""
SLACK_CHANGED = 0.01
"""Share of inputs that may be answered otherwise."""
ALONE = 0.2
"""Share of rows for which there may be no partner."""
COMMON = 8
"""Rows that see the same, from which on that is common."""
DOUBT = 1.0
"""Bits that a concept must be cheaper by to be taken before one that leaves no variance, if it leaves all."""


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
    untried: float
    """The same without those whose like is common: where a concept says all that a node can have seen, it
    is carried for want of an alternative, not because nothing was tried."""

    @property
    def carried(self) -> float:
        """1: all that the node does is kept. 0: no more than with any other input's output."""
        return 1 - self.change.kl / self.anything.kl if self.anything.kl > 0 else 1.0

    @property
    def lost(self) -> float:
        """How much is lost, of what nothing at all would lose: the worse of answers and distributions."""
        kl = self.change.kl / max(self.anything.kl, 0.02)
        return max(kl, self.change.changed / max(self.anything.changed, 0.01)) + self.untried

    @property
    def passes(self) -> bool:
        """Whether nothing speaks against the concept explaining the node."""
        most = self.anything.changed
        return (
            self.change.kl <= SLACK_KL * self.anything.kl + 0.0005
            and self.change.changed <= max(min(SLACK_CHANGED, 0.15 * most), 0.02 * most)
            and self.untried <= ALONE
        )

    @property
    def enough(self) -> bool:
        """Whether the concept explains the node, and that could have turned out otherwise.

        The more facts are taken together, the more such were there to choose from, and the less may be lost.
        """
        return self.passes and self.alone <= ALONE and self.little(self.change.kl / max(self.anything.kl, 1e-9))

    def little(self, share: float) -> bool:
        """Whether so much of a node's effect may be lost."""
        return share <= SLACK_KL / max(len(self.factors), 1)


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
        other = partners(codes, self.rows.identity[self.sample], wanted, generator)
        alone = other < 0
        component = self.node.component
        values = stage.value(component)[self.sampled][torch.where(alone, wanted, other)]
        where = self.rows.where[: len(stage.bench)]
        change = stage.change_if(component, where, values).less(stage.change)
        untried = alone & ~self.common
        return Tested(
            factors, entropy(codes), change, anything or change, _share(alone), _share(untried)
        )

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
    pool: Pool, lexicon: Lexicon, node: Node, own: Rows, sensitivity: Float[Tensor, "draw batch seq d"], seed: int
) -> Subject:
    """A node ready to be asked. `sensitivity` is on the first inputs of the pool."""
    generator = Generator().manual_seed(seed)
    count = len(own.identity)
    rest = torch.randperm(count - own.tested, generator=generator)[: max(0, TRIED - own.tested)]
    sample = torch.cat([torch.arange(own.tested), own.tested + rest.sort().values])
    screened = _unlike(own.identity, generator)
    axes = directions(sensitivity[:, own.where[: sensitivity.shape[1]]].flatten(0, 1))
    clean = pool.value(node.component)[own.where][screened]
    return Subject(node, lexicon, own, sample, Screen(clean @ axes, _common(own.identity)[screened]), screened, seed)


def search(
    subject: Subject, stage: Stage, inherited: Sequence[Factors] = (), start: Factors = ()
) -> Tested:
    """The cheapest concept that carries enough; else a cheap one of those that lose least.

    `inherited` are the concepts of what the node reads: it may carry them on. What is found says at least
    what `start` says, and then nothing is given away for being simple.
    """
    anything = subject.test(stage, ())
    if idle(anything.change):
        return anything
    best = [anything]
    if not start and (place := _place(subject)) and (tested := subject.test(stage, place, anything.change)).passes:
        return tested
    if start:
        for factors in dict.fromkeys((start, subject.lexicon.finer(start))):
            best.append(subject.test(stage, factors, anything.change))
            if best[-1].passes:
                return best[-1]
        beam = wider(subject, subject.joined(start))
    else:
        more = [each for factors in inherited if len(factors) > 1 for each in subject.joined(factors)]
        beam = [*subject.singles, *more]
    for count in range(len(start) + 1, FACTORS + 1):
        if not beam:
            break
        passing, tried = _cheapest(subject, stage, beam, anything.change)
        best += tried
        if passing is not None:
            return _pruned(subject, stage, passing, anything.change)
        if count < FACTORS:
            now = wider(subject, beam)
            stale = not now or min(each.left for each in now) > 0.97 * min(each.left for each in beam)
            beam = [] if stale else now
    least = min(each.lost for each in best)
    near = [each for each in best if each.lost <= least + (0 if start else NEAR)]
    return min(near, key=lambda each: each.bits + PRICE * subject.lexicon.price(each.factors))


def _place(subject: Subject) -> Factors:
    """The concept of which of its places this is, if a node has several.

    The screen thinks little of it where all but one of them are idle, and the one is as in every input.
    """
    rows, lexicon = subject.sampled, subject.lexicon
    here = numbered(rows.nonzero()[:, 1])
    if not len(here) or not int(here.max()):
        return ()
    same = set(lexicon.telling(here, rows))
    return next(((index,) for index in lexicon.known(subject.node.component) if index in same), ())


def _cheapest(
    subject: Subject, stage: Stage, beam: Sequence[Candidate], anything: Change
) -> tuple[Tested | None, list[Tested]]:
    """The cheapest that passes, of those that each leave less than all cheaper ones."""
    least = min(each.left for each in beam)
    frontier: list[Candidate] = []
    for each in sorted(beam, key=lambda each: each.cost):
        if each.left <= max(LEFT, 1.5 * least) and (not frontier or each.left < 0.97 * frontier[-1].left):
            frontier.append(each)
    count = min(TESTS, len(frontier))
    thinned = [frontier[-1 - (index * len(frontier)) // count] for index in range(count)]
    # Those that leave least are tried in any case: the screen may take one cheap concept for perfect.
    others = (each for each in sorted(beam, key=_promise) if each not in thinned)
    thinned += islice(others, max(0, FEWEST - count))
    tried = []
    for each in sorted(thinned, key=lambda each: each.cost):
        tried.append(subject.test(stage, each.factors, anything))
        if tried[-1].passes:
            return _cheaper(subject, stage, beam, each, tried[-1], anything), tried
    return None, tried


def _cheaper(
    subject: Subject,
    stage: Stage,
    beam: Sequence[Candidate],
    passed: Candidate,
    found: Tested,
    anything: Change,
) -> Tested:
    """The cheapest of those that leave least among all that are cheaper: the screen is no judge of its own."""
    most = passed.cost + DOUBT * passed.left - 0.05
    cheaper = [
        each
        for each in beam
        if each.cost + DOUBT * each.left < most and each.left <= max(LEFT, 2 * passed.left)
    ]
    likely = sorted(cheaper, key=lambda each: each.left)[:TESTS]
    for each in sorted(likely, key=lambda each: each.cost):
        trial = subject.test(stage, each.factors, anything)
        if trial.passes:
            return trial
    return found


def _pruned(subject: Subject, stage: Stage, found: Tested, anything: Change) -> Tested:
    """Without the factors that can be left out."""
    for factor in found.factors:
        rest = tuple(each for each in found.factors if each != factor)
        if rest:
            fewer = subject.test(stage, rest, anything)
            if fewer.passes:
                found = fewer
    return found


def wider(subject: Subject, beam: Sequence[Candidate]) -> list[Candidate]:
    """The best of the beam, each taken together with one concept more, where that leaves less."""
    seeds = sorted(beam, key=_promise)[:BEAM]
    found = []
    for seed in seeds:
        for other in sorted(subject.singles, key=_promise)[:WIDE]:
            if other.factors[0] not in seed.factors and seed.cells * other.cells < MOST_CELLS:
                factors = tuple(sorted((*seed.factors, *other.factors)))
                found.append((factors, numbered(seed.codes * other.cells + other.codes)))
    return subject.candidates(found)


def also(subject: Subject, factors: Factors) -> tuple[Concept, ...]:
    """Other single concepts that tell its rows apart in the same way."""
    if not factors:
        return ()
    lexicon, rows = subject.lexicon, subject.sampled
    same = set(lexicon.telling(lexicon.together(factors, rows), rows))
    known = [index for index in lexicon.known(subject.node.component) if index in same]
    return tuple(lexicon.concepts[index] for index in known if (index,) != factors)


def _promise(candidate: Candidate) -> float:
    return candidate.left + 0.01 * candidate.cost


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
    return count[found] >= COMMON


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
