"""An explanation as a program, with how well it answers on inputs that it was not made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from algoscope.explanation.listing import listing
from algoscope.explanation.pool import Pool
from algoscope.explanation.program import Carried, Program, heads, tables
from algoscope.explanation.scored import Score, baselines, near, scores
from algoscope.explanation.trial import same_inputs
from algoscope.tasks.task import Examples

NEAR = 500
"""Inputs next to one that is answered otherwise."""
KINDS = {"tables": tables, "heads": heads}
"""Every part looked up, or only MLPs, with heads computed from what was looked up."""


@dataclass(frozen=True, eq=False)
class Written:
    """A program, and how near its answers are to the model's."""

    program: Program
    kind: str
    """Of `KINDS`, the one that agrees with the model on more of the inputs that it was made from."""
    scores: Mapping[str, Score]
    """On other inputs: "program", and the baselines."""
    near: Mapping[str, Score]
    """The same on inputs close to a change of the answer; empty where a task knows none."""
    listing: str
    """As readable Python."""


def write(pool: Pool, carried: Carried, fresh: Examples, seed: int) -> Written:
    """The program that these concepts make with the means of a pool, tried on fresh examples."""
    made = {kind: make(pool, carried) for kind, make in KINDS.items()}
    agreed = {
        kind: float(same_inputs(program(pool.examples), pool.logits, pool.examples).float().mean())
        for kind, program in made.items()
    }
    kind = max(agreed, key=lambda each: agreed[each])
    others = baselines(pool, carried)
    close = near(pool.task, NEAR, seed)
    return Written(
        made[kind],
        kind,
        scores(pool.model, made[kind], others, fresh),
        {} if close is None else scores(pool.model, made[kind], others, close),
        listing(made[kind], pool),
    )
