"""The true answers as concepts: what is to be explained."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere
from algoscope.tasks.task import Examples, Task

BITS = 62
"""Classes up to which a set of them is written bit by bit."""
PRIME = 2**31 - 1


def answer(task: Task) -> Concept:
    """The true answer at each place where one is read, -1 elsewhere; a set of classes as a pattern of bits.

    It counts as known there: a model can't be asked for what it can't see.
    """
    return Concept("the answer", lambda inputs: _answers(task, inputs), answer=True)


def answers(task: Task, scope: Scope, inputs: Inputs) -> list[Concept]:
    """The true answer, the one before it, and, where an input has a single one, that one at every place."""
    found = [
        answer(task),
        Concept("the answer before", lambda inputs: _earlier(task, inputs), answer=True),
    ]
    single = bool((task.answered(inputs.tokens).sum(1) == 1).all())
    if scope.language.causal or not single:
        return found
    name = "the answer, at every place"
    return [*found, Concept(name, lambda inputs: _only(task, inputs), Sees.ANYWHERE, answer=True)]


def _answers(task: Task, inputs: Inputs) -> Codes:
    examples = task.examples(inputs.tokens, inputs.position_ids)
    codes = torch.full_like(inputs.tokens, UNSEEN)
    codes[examples.answered] = _labels(examples)
    return codes


def _labels(examples: Examples) -> Int[Tensor, "row"]:
    """A set of more classes than a number has bits becomes a sum of powers modulo a prime."""
    if not examples.sets:
        return examples.labels.long()
    count = examples.labels.shape[1]
    weights = [1 << one if count <= BITS else pow(3, one + 1, PRIME) for one in range(count)]
    return (examples.labels * torch.tensor(weights, device=examples.labels.device)).sum(1)


def _earlier(task: Task, inputs: Inputs) -> Codes:
    """The last answer before each place."""
    answered = task.answered(inputs.tokens)
    latest = torch.where(answered, inputs.place, UNSEEN).cummax(1).values
    before = torch.cat([torch.full_like(latest[:, :1], UNSEEN), latest[:, :-1]], 1)
    found = _answers(task, inputs).gather(1, before.clamp(min=0))
    return torch.where(before >= 0, found, UNSEEN)


def _only(task: Task, inputs: Inputs) -> Codes:
    answered = task.answered(inputs.tokens)
    place = answered.long().argmax(1, keepdim=True)
    return everywhere(_answers(task, inputs).gather(1, place), inputs)
