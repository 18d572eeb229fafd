"""What comes with algoscope: every task, and what the model that is shipped for it is like."""

from __future__ import annotations

from dataclasses import dataclass

from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.tasks import registry
from algoscope.tasks.task import Task

LOOKED_AT = 200
"""Inputs from which it is told how many answers one has."""


@dataclass(frozen=True)
class Entry:
    """A task, and one model of it if there is any."""

    task: str
    asks: str
    answer: str
    """What an answer is, and how many an input has."""
    model: str | None
    parameters: int | None
    accuracy: float | None
    """Share of fresh inputs with every answer right, by the record of the training."""
    evaluation_examples: int | None
    """How many inputs that is a share of."""


def entries() -> list[Entry]:
    """Every task that comes with algoscope, once for each shipped model, or once without one."""
    models = [checkpoints.read(name) for name in checkpoints.shipped()]
    found = []
    for name in registry.names():
        task = registry.get(name)
        mine: list[Checkpoint | None] = [model for model in models if model.task == name]
        found += [_entry(task, model) for model in mine or [None]]
    return found


def _entry(task: Task, model: Checkpoint | None) -> Entry:
    parameters = None if model is None else sum(value.numel() for value in model.model.parameters())
    record = {} if model is None else model.training
    accuracy, examples = record.get("accuracy"), record.get("evaluation_examples")
    return Entry(
        task=task.name,
        asks=task.asks,
        answer=answer(task),
        model=None if model is None else model.name,
        parameters=parameters,
        accuracy=accuracy if isinstance(accuracy, float) else None,
        evaluation_examples=examples if isinstance(examples, int) else None,
    )


def answer(task: Task) -> str:
    """What an answer of this task is, and how many an input has, in words.

    >>> answer(registry.get("sorting"))
    'one of 20 classes, 6 times'
    """
    examples = task.sample(LOOKED_AT, seed=0)
    kind = f"a set of {len(task.classes)} classes" if examples.sets else f"one of {len(task.classes)} classes"
    fewest, most = (int(end) for end in examples.answered.sum(1).aminmax())
    if fewest < most:
        return f"{kind}, {fewest} to {most} times"
    return kind if most == 1 else f"{kind}, {most} times"
