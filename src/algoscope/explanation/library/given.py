"""The task's own concepts and quantities, as concepts of a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope
from algoscope.tasks.task import Task

UNIT = 4096
"""What 1 is written as where a number of the task need not be whole."""
EVIDENCE = 100
"""Pairs of inputs that begin alike which it takes to say that a concept depends on the beginning alone."""


def given(task: Task, scope: Scope, inputs: Inputs) -> list[Concept]:
    """What the task says of its inputs, by the names that it gives, with spaces in them.

    `inputs` are a sample of inputs of a task, which says what is known before an input has ended.
    """
    table = _Table(task)
    named = table.of(inputs)
    concepts = [_given(name, value, table) for name, value in named.items()]
    if not scope.language.causal:
        return concepts
    pairs = _beginnings(task, inputs)
    known = [
        replace(concept, sees=Sees.BEFORE) if _known_before(concept, pairs, scope.start) else concept
        for concept in concepts
    ]
    late = [concept for concept in known if concept.sees is Sees.ANYWHERE]
    return known if scope.length is None else [*known, *(_at_end(concept, scope.length) for concept in late)]


class _Table:
    """The task's concepts of inputs, computed once for all that read them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._known: WeakKeyDictionary[Inputs, Mapping[str, Tensor]] = WeakKeyDictionary()

    def of(self, inputs: Inputs) -> Mapping[str, Tensor]:
        if inputs not in self._known:
            examples = self._task.examples(inputs.tokens, inputs.position_ids)
            self._known[inputs] = {**self._task.quantities(examples), **examples.concepts}
        return self._known[inputs]


def _given(name: str, sample: Tensor, table: _Table) -> Concept:
    codes = _codes(sample)

    def of(inputs: Inputs) -> Codes:
        found = codes(table.of(inputs)[name])
        return found if found.ndim == 2 else found[:, None].expand(inputs.tokens.shape)

    return Concept(name.replace("_", " "), of, Sees.ANYWHERE, numeric=sample.dtype != torch.bool)


def _codes(sample: Tensor) -> Callable[[Tensor], Tensor]:
    """How to write numbers like these as whole ones; what is no number becomes -1."""
    if not sample.is_floating_point():
        return lambda values: values.long()
    unit = 1 if bool((sample == sample.round()).all()) else UNIT
    return lambda values: (values.double() * unit).round().nan_to_num(nan=-1).long()


def _at_end(concept: Concept, length: int) -> Concept:
    """What takes the whole input, at the last place, where a causal model has seen it; UNSEEN elsewhere."""

    def of(inputs: Inputs) -> Codes:
        return torch.where(inputs.place == length - 1, concept.of(inputs), UNSEEN)

    return replace(concept, name=f"{concept.name}, at the end", of=of, sees=Sees.BEFORE)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Inputs, each with another that begins as it does."""

    one: Inputs
    other: Inputs

    @cached_property
    def alike(self) -> Bool[Tensor, "pair seq"]:
        """The places up to which they are the same."""
        same = (self.one.tokens == self.other.tokens).long().cumprod(1) > 0
        return same & self.one.real


def _beginnings(task: Task, inputs: Inputs) -> list[_Pair]:
    """The sample's inputs in the order of the alphabet, each with the next, and each with a neighbour."""
    tokens = inputs.tokens.cpu()
    ordered = tokens.unique(dim=0)
    found = [(ordered[:-1], ordered[1:])]
    changed = task.neighbours(tokens, Generator().manual_seed(0))
    if changed is not None:
        found.append((tokens, changed))
    return [_Pair(_unshifted(one, inputs), _unshifted(other, inputs)) for one, other in found]


def _unshifted(tokens: Int[Tensor, "batch seq"], inputs: Inputs) -> Inputs:
    return Inputs(tokens, torch.arange(tokens.shape[1]).expand(tokens.shape), inputs.language)


def _known_before(concept: Concept, pairs: list[_Pair], start: int) -> bool:
    """Whether inputs that are the same up to a place never differ in the concept there, in a fair number."""
    evidence = 0
    for pair in pairs:
        differs = concept.of(pair.one) != concept.of(pair.other)
        if bool((differs & pair.alike).any()):
            return False
        evidence += int(pair.alike[:, start].sum())
    return evidence >= EVIDENCE
