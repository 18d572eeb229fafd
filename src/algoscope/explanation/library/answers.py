"""The true answers as concepts: what is to be explained."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN
from algoscope.tasks.task import Examples, Task

BITS = 62
"""Classes up to which a set of them is written bit by bit."""
PRIME = 2**31 - 1


def answer(task: Task) -> Concept:
    """The true answer at each place where one is read, -1 elsewhere; a set of classes as a pattern of bits.

    It counts as known there: a model can't be asked for what it can't see.
    """
    return Concept("the answer", lambda inputs: _answers(task, inputs), depth=1, answer=True)


def answers(task: Task) -> list[Concept]:
    """The true answer, and at each place the last true answer before it."""
    return [answer(task), Concept("the answer before", lambda inputs: _earlier(task, inputs), answer=True)]


def _answers(task: Task, inputs: Inputs) -> Codes:
    examples = task.examples(inputs.tokens, inputs.position_ids)
    codes = torch.full_like(inputs.tokens, UNSEEN)
    codes[examples.answered] = _labels(examples)
    return codes


def _labels(examples: Examples) -> Int[Tensor, "row"]:
    """A set of more classes than fit in a number becomes a sum of powers modulo a prime: no two are likely alike."""
    if not examples.sets:
        return examples.labels.long()
    count = examples.labels.shape[1]
    weights = [1 << one if count <= BITS else pow(3, one + 1, PRIME) for one in range(count)]
    return (examples.labels * torch.tensor(weights, device=examples.labels.device)).sum(1)


def _earlier(task: Task, inputs: Inputs) -> Codes:
    codes = _answers(task, inputs)
    answered = task.answered(inputs.tokens)
    place = torch.where(answered, inputs.place, UNSEEN).cummax(1).values
    before = torch.cat([torch.full_like(place[:, :1], UNSEEN), place[:, :-1]], 1)
    return torch.where(before >= 0, codes.gather(1, before.clamp(min=0)), UNSEEN)
