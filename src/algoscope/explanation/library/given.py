"""The task's own concepts and quantities, as concepts of a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.tasks.task import Task

UNIT = 4096
"""What 1 is written as where a number of the task need not be whole."""


def given(task: Task, inputs: Inputs) -> list[Concept]:
    """What the task says of its inputs, concepts first, each name once.

    What is known of it at a place can't be told in general, so it counts as known from the whole input.
    """
    table = _Table(task)
    return [_given(name, value, table) for name, value in table.of(inputs).items()]


class _Table:
    """The task's concepts of inputs, computed once for all concepts that read them."""

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
    whole = bool((sample == sample.round()).all())
    return lambda values: (values.double() * (1 if whole else UNIT)).round().nan_to_num(nan=-1).long()
