"""Which values of a concept does a node's reader treat alike? A concept as coarse as the model allows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.explanation.lexicon import Factors, numbered
from algoscope.explanation.merged import merged, table
from algoscope.explanation.subject import PRICE, Subject
from algoscope.explanation.tested import Tested
from algoscope.explanation.trial import Stage, same_inputs
from algoscope.tasks.answers import divergence

MOST = 48
"""Values up to which each two are compared."""
ROUNDS = 12
"""Runs in which values are put in each other's place, at most; each tries one pair on each input."""
EACH = 6
"""How often each pair should be tried."""
CONFIRMED = 6
"""Runs more for pairs in which nothing has spoken against their being alike."""
ALIKE = 0.015
"""Of what any two values do in each other's place, the share up to which two are alike."""
KL = 0.02
"""Share of a node's effect that a coarser concept may lose beyond the finer."""
CHANGED = 0.004


def coarser(subject: Subject, stage: Stage, found: Tested) -> Tested:
    """What was found, with values that may stand for each other told as one, if that is cheaper."""
    codes = subject.lexicon.together(found.factors, subject.sampled)
    cells = int(codes.max()) + 1 if len(codes) else 0
    if not found.passes or not 2 < cells <= MOST:
        return found
    steps = _joined(_apart(subject, stage, codes, cells))
    low, high = 0, len(steps)
    best = found
    # The most steps that can be gone; most often all of them.
    at = high
    while low < high:
        trial = _told(subject, stage, found, codes, steps[:at], cells)
        if _as_good(trial, found):
            best, low = trial, at
        else:
            high = at - 1
        at = (low + high + 1) // 2
    return best if _cost(subject, best) < _cost(subject, found) else found


def _as_good(trial: Tested, found: Tested) -> bool:
    return (
        trial.passes
        and trial.change.kl <= found.change.kl + KL * found.anything.kl
        and trial.change.changed <= found.change.changed + CHANGED
    )


def _cost(subject: Subject, tested: Tested) -> float:
    return tested.bits + PRICE * subject.lexicon.price(tested.factors)


def _told(
    subject: Subject, stage: Stage, found: Tested, codes: Tensor, steps: Sequence[tuple[int, int]], cells: int
) -> Tested:
    """The concept with some of its values joined, tested."""
    home = torch.arange(cells)
    for one, other in steps:
        home[home == home[other]] = home[one].clone()
    return subject.test(stage, _factors(subject, found.factors, numbered(home[codes])), found.anything)


def _factors(subject: Subject, fine: Factors, classes: Int[Tensor, "sample"]) -> Factors:
    """A concept that is there and tells the rows apart like this; else one made for it."""
    lexicon, rows = subject.lexicon, subject.sampled
    same = set(lexicon.telling(classes, rows))
    there = next((index for index in lexicon.known(subject.node.component) if index in same), None)
    if there is not None:
        return (there,)
    if len(fine) == 1:
        fine = lexicon.made_of.get(fine[0], fine)
    concept = lexicon.concept(fine)
    return (lexicon.add(merged(concept, table(concept.of(lexicon.inputs)[rows], classes)), fine),)


def _joined(apart: Float[Tensor, "value value"]) -> list[tuple[int, int]]:
    """Which values to join, those first that differ least: a group differs from another by its farthest."""
    apart = apart.clone().fill_diagonal_(float("inf"))
    steps = []
    while len(apart) > 1:
        place = int(apart.argmin())
        one, other = sorted(divmod(place, len(apart)))
        if float(apart[one, other]) > ALIKE:
            break
        steps.append((one, other))
        farthest = torch.maximum(apart[one], apart[other])
        apart[one], apart[:, one] = farthest, farthest
        apart[other], apart[:, other] = float("inf"), float("inf")
        apart.fill_diagonal_(float("inf"))
    return steps


def _apart(
    subject: Subject, stage: Stage, codes: Int[Tensor, "sample"], cells: int
) -> Float[Tensor, "value value"]:
    """How much happens if two values stand for each other, of what happens with any two.

    Beyond what happens where a value stands for itself. Two that were never tried are taken to be just alike.
    """
    generator = Generator().manual_seed(subject.seed)
    example = subject.rows.where[: len(stage.bench)].nonzero()[:, 0]
    # How often each pair was tried, what happened to distributions, and how often an answer changed.
    seen = torch.zeros(3, cells, cells, dtype=torch.float64)
    likely = torch.ones(cells, cells, dtype=torch.bool)

    def exchange() -> None:
        given, put, moved = _exchanged(subject, stage, codes, likely, example, generator)
        for kind, values in enumerate((torch.ones_like(moved[0]), *moved)):
            seen[kind].index_put_((given, put), values, accumulate=True)

    for _ in range(min(ROUNDS, max(3, EACH * cells * cells // len(stage.bench)))):
        exchange()
    others = ~torch.eye(cells, dtype=torch.bool)
    usual = seen[1:, others].sum(1) / seen[0, others].sum().clamp(min=1)
    for _ in range(CONFIRMED):
        likely = (_excess(seen, usual) <= ALIKE).fill_diagonal_(True)
        exchange()
    return _excess(seen, usual)


def _excess(seen: Float[Tensor, "3 value value"], usual: Float[Tensor, "2"]) -> Float[Tensor, "value value"]:
    """What happens in a pair beyond what happens within each, of what usually happens; the worse of both."""
    count, *sums = seen + seen.mT
    found = torch.full_like(count, -float("inf"))
    for each, most in zip(sums, usual.clamp(min=1e-6), strict=True):
        mean = each / count.clamp(min=1)
        within = mean.diagonal()
        found = torch.maximum(found, (mean - (within[:, None] + within) / 2) / most)
    return found.masked_fill(count == 0, ALIKE)


def _exchanged(
    subject: Subject, stage: Stage, codes: Tensor, likely: Tensor, example: Tensor, generator: Generator
) -> tuple[Tensor, Tensor, Float[Tensor, "2 input"]]:
    """In each input all rows of one value get another that is likely: which, which other, what happens."""
    tested, inputs = codes[: subject.rows.tested], len(stage.bench)
    there, given = _one_each(tested, example, inputs, generator)
    put = torch.multinomial(likely[given].double(), 1, generator=generator)[:, 0]
    order, size = codes.argsort(stable=True), codes.bincount(minlength=len(likely))
    target = put[example]
    drawn = (torch.rand(len(tested), generator=generator) * size[target]).long()
    other = order[(size.cumsum(0) - size)[target] + drawn]
    source = torch.where(tested == given[example], other, torch.arange(len(tested)))
    component, bench = subject.node.component, stage.bench
    values = stage.value(component)[subject.sampled][source]
    logits = stage.logits_if(component, subject.rows.where[:inputs], values)
    rows = divergence(logits, bench.logits, bench.examples.sets).double()
    owner = bench.examples.row_example
    kl = torch.zeros(inputs, dtype=torch.float64).index_add_(0, owner, rows)
    kl /= owner.bincount(minlength=inputs).clamp(min=1)
    changed = (~same_inputs(logits, bench.logits, bench.examples)).double()
    return given[there], put[there], torch.stack([kl, changed])[:, there]


def _one_each(
    codes: Int[Tensor, "row"], example: Int[Tensor, "row"], inputs: int, generator: Generator
) -> tuple[Int[Tensor, "there"], Int[Tensor, "input"]]:
    """Which inputs have rows, and for each the code of one of its rows, any; 0 for those without."""
    rank = torch.randperm(len(codes), generator=generator)
    highest = torch.full((inputs,), -1).scatter_reduce(0, example, rank, "amax")
    there = (highest >= 0).nonzero()[:, 0]
    found = torch.zeros(inputs, dtype=torch.long)
    found[there] = codes[rank.argsort()[highest[there]]]
    return there, found
