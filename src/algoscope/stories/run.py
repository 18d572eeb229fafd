"""Put a task's questions to a model."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict

import torch

import algoscope
from algoscope.model.checkpoint import Checkpoint
from algoscope.questions import generic
from algoscope.questions.seen import Observed, observe
from algoscope.questions.study import Section, Study
from algoscope.stories.brackets.questions import questions as brackets
from algoscope.stories.palindromes.questions import questions as palindromes
from algoscope.tasks.task import Examples, Task

Questions = Callable[[Observed, int], tuple[Section, ...]]
"""From what a model did, and a seed for what is drawn at random, to the sections."""

STUDIES: Mapping[str, Questions] = {"brackets": brackets, "palindromes": palindromes}
"""Tasks with a study of their own; the others are asked the generic questions."""


def run_study(
    checkpoint: Checkpoint, task: Task, examples: Examples, seed: int = 0, source: str | None = None
) -> Study:
    """The task's study of this model on these examples.

    `source` says where the examples come from; by default, that the task sampled them with `seed`. The
    same arguments give the same findings. Raises UserError if there are too few examples.
    """
    seen = observe(checkpoint.model, task, examples)
    groups = {name: int(mask.sum()) for name, mask in seen.groups.items()}
    return Study(
        title=f"How the model {checkpoint.name} does the task {task.name}",
        task=task.name,
        model={
            "name": checkpoint.name,
            "config": checkpoint.model.config.to_dict(),
            "training": dict(checkpoint.training) or None,
            "inferred": [asdict(inference) for inference in checkpoint.inferred],
        },
        data={
            "source": source or f"sampled by the task with seed {seed}",
            "count": len(examples),
            "groups": groups,
        },
        seed=seed,
        versions={
            "algoscope": algoscope.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        sections=STUDIES.get(task.name, generic.questions)(seen, seed),
    )
