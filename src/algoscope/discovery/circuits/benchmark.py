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
    """A method over many programs."""

    method: str
    auroc: float
    """The median over programs."""
    lowest: float
    found: int
    """Programs of which a faithful circuit holds the true edges."""
    precision: float
    """The median over programs, of the smallest circuit that is faithful enough."""
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


def summaries(results: Sequence[tuple[Judged, float]]) -> tuple[Summary, ...]:
    """One for each method, in the order in which they come."""
    methods = dict.fromkeys(each.method for each, _ in results)
    return tuple(
        _summary(method, [(each, seconds) for each, seconds in results if each.method == method])
        for method in methods
    )


def _summary(method: str, results: Sequence[tuple[Judged, float]]) -> Summary:
    found = [each for each, _ in results]
    return Summary(
        method,
        statistics.median(each.auroc for each in found),
        min(each.auroc for each in found),
        sum(each.recall >= FOUND for each in found),
        statistics.median(each.precision for each in found),
        len(found),
        sum(seconds for _, seconds in results),
    )
