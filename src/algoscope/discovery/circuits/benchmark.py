"""Every method on every compiled program: how good is each at finding a circuit that is known?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from algoscope.compiled.compiler import compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.program import Program
from algoscope.discovery.circuits.contrast import resampled
from algoscope.discovery.circuits.find import METHODS
from algoscope.discovery.circuits.judged import Judged, judge

FOUND = 0.95
"""Recall from which a program's circuit counts as found."""


@dataclass(frozen=True)
class Summary:
    """A method over many programs, either of those in which every edge is needed or of those that vote."""

    method: str
    votes: bool
    """Whether in these programs several sets of edges are each enough, so that no single one is needed."""
    auroc: float
    """The median over programs."""
    lowest: float
    found: int
    """Programs of which a faithful circuit holds the true edges."""
    precision: float
    """The median over programs, of the smallest circuit that is faithful enough."""
    large: int | None
    """Programs of which the edges whose own effects are large are a faithful circuit; None of a ranking."""
    programs: int
    seconds: float
    """For all programs together, scores alone."""


def judged(
    programs: Mapping[str, Program],
    inputs: int,
    faithful: float,
    noise: Noise,
    tell: Callable[[str], None] = lambda program: None,
) -> Iterator[tuple[Judged, float]]:
    """Each method on each program, hidden by noise, on pairs of the program's task; with its seconds."""
    for name, program in programs.items():
        tell(name)
        compiled = compile(program, noise)
        one, other = compiled.task.contrasts(inputs, noise.seed)
        contrast = resampled(compiled.model, one, other)
        for method in METHODS.values():
            start = time.perf_counter()
            scores = method(contrast)
            yield judge(compiled, contrast, other, scores, faithful), time.perf_counter() - start


def summaries(results: Sequence[tuple[Judged, float]], faithful: float) -> tuple[Summary, ...]:
    """One for each method, in the order in which they come; programs that vote after the others."""
    kinds: dict[tuple[bool, str], list[tuple[Judged, float]]] = {}
    for each, seconds in results:
        kinds.setdefault((each.ways > 1, each.method), []).append((each, seconds))
    return tuple(
        _summary(method, votes, kinds[votes, method], faithful)
        for votes, method in sorted(kinds, key=lambda kind: kind[0])
    )


def _summary(method: str, votes: bool, results: Sequence[tuple[Judged, float]], faithful: float) -> Summary:
    found = [each for each, _ in results]
    large = [abs(each.large - 1) <= 1 - faithful for each in found if each.large is not None]
    return Summary(
        method,
        votes,
        statistics.median(each.auroc for each in found),
        min(each.auroc for each in found),
        sum(each.recall >= FOUND for each in found),
        statistics.median(each.precision for each in found),
        sum(large) if large else None,
        len(found),
        sum(seconds for _, seconds in results),
    )
