"""Which is the simplest concept that a node carries? Screened by variance, decided by interventions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.explanation.concepts import NOTHING, both
from algoscope.explanation.lexicon import Lexicon, Reading, paired, read
from algoscope.explanation.partners import partners
from algoscope.explanation.screen import directions, unexplained
from algoscope.explanation.trial import Change, Rows, Stage

SCREENED = 5000
"""Rows that a concept is screened on."""
TRIED = 20_000
"""Rows that partners are drawn from."""
TESTS = 8
"""Concepts that are tested at each number of factors."""
FACTORS = 4
BEAM = 4
LEFT = 0.35
"""Share of the variance that a concept may leave, and still be tested."""
SLACK_KL = 0.1
SLACK_CHANGED = 0.01


@dataclass(frozen=True, eq=False)
class Tested:
    """A concept of a node, and what became of the answers when it alone decided what stands there."""

    reading: Reading
    change: Change
    """Beyond what had moved already."""
    any: Change
    """The same with nothing kept."""
    alone: float
    """Share of rows that no other row agrees with."""
    stage: Stage

    @property
    def carried(self) -> float:
        """1: all that the node does is kept. 0: no more than with any other input's output."""
        return 1 - self.change.kl / self.any.kl if self.any.kl > 0 else 1.0

    @property
    def enough(self) -> bool:
        return (
            self.change.kl <= max(SLACK_KL * self.any.kl, 0.002)
            and self.change.changed <= max(SLACK_CHANGED, 0.02 * self.any.changed)
            and self.alone <= 0.2
        )


@dataclass(frozen=True, eq=False)
class Subject:
    """A node, its rows in the pool and what can be said of them."""

    rows: Rows
    sample: Int[Tensor, "kept"]
    """The rows that are tried: those of the bench first."""
    readings: list[Reading]
    """On the sample."""
    read: Float[Tensor, "screened direction"]
    screened: Int[Tensor, "screened"]
    """Among the sample."""

    def left(self, reading: Reading) -> float:
        codes = reading.codes[self.screened]
        return unexplained(self.read, codes, reading.cells)


def subject(lexicon: Lexicon, rows: Rows, sensitivity: Tensor, seed: int) -> Subject:
    """A node ready to be asked. `sensitivity` is `[draw batch seq d]`, on the first inputs of the pool."""
    generator = Generator().manual_seed(seed)
    count = len(rows.values)
    rest = rows.tested + torch.randperm(count - rows.tested, generator=generator)[: max(0, TRIED - rows.tested)]
    sample = torch.cat([torch.arange(rows.tested), rest.sort().values])
    places = rows.where.nonzero()[sample]
    kept = torch.zeros_like(rows.where)
    kept[places[:, 0], places[:, 1]] = True
    readings = lexicon.readings(rows.node.component, kept)
    mask = rows.where[: sensitivity.shape[1]]
    axes = directions(sensitivity[:, mask].flatten(0, 1))
    screened = _unlike(rows.identity[sample], generator)
    return Subject(rows, sample, readings, rows.values[sample][screened] @ axes, screened)


def _unlike(identity: Tensor, generator: Generator) -> Tensor:
    """Up to SCREENED rows, no two of which see the same."""
    order = torch.randperm(len(identity), generator=generator)
    _, which = identity[order].unique(return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(order)).scatter_reduce_(
        0, which, torch.arange(len(order)), "amin"
    )
    return order[first][:SCREENED].sort().values if len(first) <= SCREENED else order[first.sort().values[:SCREENED]].sort().values


def tested(subject: Subject, reading: Reading, stage: Stage, anything: Change, seed: int) -> Tested:
    """The answers with the node's output on another row that agrees on the concept in place of its own."""
    generator = Generator().manual_seed(seed)
    rows = subject.rows
    identity = rows.identity[subject.sample]
    wanted = torch.arange(rows.tested)
    other = partners(reading.codes, identity, wanted, generator)
    alone = other < 0
    source = subject.sample[torch.where(alone, wanted, other)]
    after = stage.put(rows.node.component, rows.where[: len(stage.bench)], rows.values[source])
    change = after.change.less(stage.change)
    return Tested(reading, change, anything, float(alone.double().mean()), after)


def nothing_kept(subject: Subject, stage: Stage, seed: int) -> Tested:
    """With the node's output on any other row."""
    reading = read(NOTHING, torch.zeros_like(subject.sample))
    found = tested(subject, reading, stage, Change(0.0, 0.0), seed)
    return Tested(found.reading, found.change, found.change, found.alone, found.stage)


def search(subject: Subject, stage: Stage, anything: Change, seed: int, trace: Callable[[str], None] = lambda _: None) -> Tested:
    """The cheapest concept that carries enough; else the one that carries most."""
    singles = [(subject.left(reading), reading) for reading in subject.readings]
    best: list[Tested] = []
    beam = singles
    for factors in range(1, FACTORS + 1):
        found = _tests(subject, beam, stage, anything, seed)
        best += found
        passing = [each for each in best if each.enough]
        if passing:
            return min(passing, key=lambda each: each.reading.cost)
        if factors == FACTORS:
            break
        seeds = sorted(beam, key=_score)[:BEAM]
        if factors == 1:
            seeds += [pair for pair in singles if pair[1].concept.name in ("the token here",)]
        wider = list(_wider(subject, seeds, singles))
        if not wider or min(left for left, _ in wider) > 0.98 * min(left for left, _ in beam):
            break
        beam = wider
    return min(best, key=lambda each: (each.change.changed / max(each.any.changed, 0.01) + each.change.kl / max(each.any.kl, 1e-9)))


def _score(pair: tuple[float, Reading]) -> float:
    left, reading = pair
    return left + 0.01 * reading.cost


def _tests(
    subject: Subject, beam: Sequence[tuple[float, Reading]], stage: Stage, anything: Change, seed: int
) -> list[Tested]:
    """Tests the cheapest of those that leave little, and the one that leaves least, until one passes."""
    least = min(left for left, _ in beam)
    # Ordered by cost, each has to leave clearly less than all cheaper ones to be worth a test.
    order = sorted((pair for pair in beam if pair[0] <= max(LEFT, 1.5 * least)), key=lambda pair: pair[1].cost)
    frontier, low = [], float("inf")
    for left, reading in order:
        if left < 0.97 * low:
            frontier.append((left, reading))
            low = left
    found = []
    for left, reading in frontier[-TESTS:]:
        found.append(tested(subject, reading, stage, anything, seed))
        if found[-1].enough:
            break
    return found


def _wider(
    subject: Subject, seeds: Sequence[tuple[float, Reading]], singles: Sequence[tuple[float, Reading]]
) -> Iterable[tuple[float, Reading]]:
    seen: set[float] = set()
    for left, seed in seeds:
        for _, other in singles:
            if other.cells == 1 or other is seed:
                continue
            joined = paired(seed, other, both(seed.concept, other.concept))
            if joined.bits <= seed.bits + 1e-9 or joined.bits in seen:
                continue
            seen.add(joined.bits)
            now = subject.left(joined)
            if now < 0.95 * left:
                yield now, joined
