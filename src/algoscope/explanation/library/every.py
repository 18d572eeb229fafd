"""All concepts that are offered for a task."""

from __future__ import annotations

from collections.abc import Callable

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs, Language
from algoscope.explanation.library.alone import alone
from algoscope.explanation.library.answers import answers
from algoscope.explanation.library.carries import carries
from algoscope.explanation.library.counts import counts
from algoscope.explanation.library.events import events
from algoscope.explanation.library.extremes import extremes
from algoscope.explanation.library.given import given
from algoscope.explanation.library.letters import letters
from algoscope.explanation.library.mirrored import mirrored
from algoscope.explanation.library.order import order
from algoscope.explanation.library.parallel import parallel
from algoscope.explanation.library.places import places
from algoscope.explanation.library.repeats import repeats
from algoscope.explanation.library.residues import residues
from algoscope.explanation.library.scope import Scope, read_scope
from algoscope.explanation.library.shares import shares
from algoscope.explanation.library.sorted_numbers import sorted_numbers
from algoscope.explanation.library.sums import sums
from algoscope.explanation.library.tokens import tokens
from algoscope.tasks.task import Task

FAMILIES: tuple[Callable[[Scope], list[Concept]], ...] = (
    tokens,
    places,
    counts,
    shares,
    letters,
    repeats,
    alone,
    parallel,
    mirrored,
    extremes,
    order,
    sorted_numbers,
    sums,
    carries,
    events,
    residues,
)
"""Each gives the concepts of its kind that make sense in a language; common kinds first."""


def concepts(task: Task, language: Language, inputs: Inputs) -> tuple[Concept, ...]:
    """What may be said of a place in an input of this task: primitives, the task's own, and the answers.

    `inputs` are a sample, which shows how long inputs are and where their letters stand. No two concepts
    have one name, and a task's own gives way to a primitive of its name.

    A concept's depth is a judgement: 0 for what the token and its position say, 2 for what compares places
    by something that has to be gathered for each of them first, 1 for all else. Too low a depth offers a
    part what it can't know, too high a one hides what it does; where in doubt it is the lower.
    """
    scope = read_scope(language, inputs)
    found = {concept.name: concept for concept in primitives(scope)}
    for concept in (*given(task, scope, inputs), *answers(task, scope, inputs)):
        found.setdefault(concept.name, concept)
    return tuple(found.values())


def primitives(scope: Scope) -> tuple[Concept, ...]:
    """Every concept that takes no task, only a language."""
    return tuple(concept for family in FAMILIES for concept in family(scope))
