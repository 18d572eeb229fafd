"""All concepts that are offered for a task."""

from __future__ import annotations

from collections.abc import Callable

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs, Language
from algoscope.explanation.library.answers import answers
from algoscope.explanation.library.counts import counts
from algoscope.explanation.library.given import given
from algoscope.explanation.library.mirrored import mirrored
from algoscope.explanation.library.occurrence import occurrences
from algoscope.explanation.library.order import order
from algoscope.explanation.library.parallel import parallel
from algoscope.explanation.library.places import places
from algoscope.explanation.library.residues import residues
from algoscope.explanation.library.scope import Scope, read_scope
from algoscope.explanation.library.sums import sums
from algoscope.explanation.library.tokens import tokens
from algoscope.tasks.task import Task

FAMILIES: tuple[Callable[[Scope], list[Concept]], ...] = (
    tokens,
    places,
    counts,
    residues,
    occurrences,
    parallel,
    mirrored,
    order,
    sums,
)
"""Each gives the concepts of its kind that make sense in a language: simple and common kinds first."""


def concepts(task: Task, language: Language, inputs: Inputs) -> tuple[Concept, ...]:
    """What may be said of a place in an input of this task: primitives, the task's own, and the answers.

    `inputs` are a sample, which shows how long inputs are and where their letters stand. No two concepts
    have one name; a task's own concept has a name of its own even where a primitive says the same.
    """
    primitives = primitive_concepts(read_scope(language, inputs))
    taken = {concept.name for concept in primitives}
    own = [concept for concept in given(task, inputs) if concept.name not in taken]
    return (*primitives, *own, *answers(task))


def primitive_concepts(scope: Scope) -> tuple[Concept, ...]:
    """Every concept that needs no task, only a language."""
    return tuple(concept for family in FAMILIES for concept in family(scope))
