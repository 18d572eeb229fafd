"""Which is the simplest concept that a node carries? Screened by variance, decided by interventions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from algoscope.explanation.concepts import Concept
from algoscope.explanation.importance import idle
from algoscope.explanation.lexicon import Factors, numbered
from algoscope.explanation.subject import PRICE, Candidate, Subject
from algoscope.explanation.tested import Tested
from algoscope.explanation.trial import Change, Stage

FACTORS = 4
"""The most concepts that are taken together."""
TESTS = 7
"""Interventions at each number of concepts."""
FEWEST = 5
"""So many are tried even if the screen finds fewer worth it."""
BEAM = 4
MOST_CELLS = 2_000_000
WIDE = 120
"""Concepts that each of the best is taken together with."""
LEFT = 0.7
"""Share of the variance that a concept may leave, and still be tested."""
NEAR = 0.08
"""Where nothing carries enough, a simpler concept is taken if it loses so little more than the best."""
DOUBT = 1.0
"""Bits that a concept must be cheaper by to be taken before one that leaves no variance, if it leaves all."""


def search(subject: Subject, stage: Stage, inherited: Sequence[Factors] = (), start: Factors = ()) -> Tested:
    """The cheapest concept that carries enough; else a cheap one of those that lose least.

    `inherited` are the concepts of what the node reads: it may carry them on. What is found says at least
    what `start` says, and then nothing is given away for being simple.
    """
    anything = subject.test(stage, ())
    if idle(anything.change):
        return anything
    best = [anything]
    for factors in dict.fromkeys((start, subject.lexicon.finer(start)) if start else _place(subject)):
        best.append(subject.test(stage, factors, anything.change))
        if best[-1].passes:
            return best[-1]
    if start:
        beam = wider(subject, subject.joined(start))
    else:
        more = [each for factors in inherited if len(factors) > 1 for each in subject.joined(factors)]
        beam = [*subject.singles, *more]
    passing, tried = _widened(subject, stage, beam, FACTORS - len(start), anything.change)
    if passing is not None:
        return _pruned(subject, stage, passing, anything.change)
    best += tried
    least = min(each.lost for each in best)
    near = [each for each in best if each.lost <= least + (0 if start else NEAR)]
    return min(near, key=lambda each: each.bits + PRICE * subject.lexicon.price(each.factors))


def _widened(
    subject: Subject, stage: Stage, beam: list[Candidate], times: int, anything: Change
) -> tuple[Tested | None, list[Tested]]:
    """The cheapest that passes of a beam, or of the next ones with one factor more; all that was tried."""
    every: list[Tested] = []
    for _ in range(times):
        if not beam:
            break
        passing, tried = _cheapest(subject, stage, beam, anything)
        every += tried
        if passing is not None:
            return passing, every
        now = wider(subject, beam)
        stale = not now or min(each.left for each in now) > 0.97 * min(each.left for each in beam)
        beam = [] if stale else now
    return None, every


def _place(subject: Subject) -> list[Factors]:
    """The concept of which of its places this is, if a node has several.

    The screen thinks little of it where all but one of them are idle, and the one is as in every input.
    """
    rows, lexicon = subject.sampled, subject.lexicon
    here = numbered(rows.nonzero()[:, 1])
    if not len(here) or not int(here.max()):
        return []
    same = set(lexicon.telling(here, rows))
    found: list[Factors] = [(index,) for index in lexicon.known(subject.node.component) if index in same]
    return found[:1]


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
    """The cheapest of those that leave least of all that are cheaper: the screen is no judge of its own."""
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
