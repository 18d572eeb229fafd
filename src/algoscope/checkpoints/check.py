"""Was a model read as what it is? What was concluded, and whether it then does its task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import NOTHING, Checkpoint
from algoscope.checkpoints.settings import Inference
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry
from algoscope.tasks.answers import Labels, right
from algoscope.tasks.task import Examples, Task

NEAR = 0.1
"""Of the way from the best constant answer to all right: a model that gets no further is at chance."""
BATCH = 1000
COUNT = 1000
"""Examples that are enough to tell knowing from guessing."""


@dataclass(frozen=True)
class Score:
    """How many answers on a sample of the task are right."""

    task: str
    right: int
    answers: int
    chance: float
    """Share of answers that the most frequent one is right about."""

    @property
    def accuracy(self) -> float:
        return self.right / self.answers

    @property
    def at_chance(self) -> bool:
        return self.accuracy < self.chance + NEAR * (1 - self.chance)


def check(
    name_or_path: str,
    task: str | None = None,
    names: Path | None = None,
    config: Mapping[str, object] = NOTHING,
    count: int = COUNT,
    seed: int = 0,
) -> tuple[Checkpoint, Score | None]:
    """The model as it was understood, and how well it does its task; None where no task is known.

    Raises UserError as `algoscope.checkpoints.read` does. A task that only the file names is not run.
    """
    found = checkpoints.read(name_or_path, task, names, **config)
    recorded = found.task if found.task in registry.names() else None
    if task is None and recorded is None:
        return found, None
    known = registry.get(task or str(recorded))
    return found, score(found.model, known, known.sample(count, seed))


def score(model: Transformer, task: Task, examples: Examples) -> Score:
    """How well the model does the task on these examples, each answer counted alone."""
    correct = sum(
        int(right(_logits(model, part), part.labels.to(model.W_E.device)).sum())
        for part in examples.batches(BATCH)
    )
    return Score(task.name, correct, len(examples.labels), _most_frequent(examples.labels))


@torch.no_grad()
def _logits(model: Transformer, part: Examples) -> Tensor:
    there = part.to(model.W_E.device)
    return there.at_answers(model(there.tokens, there.position_ids))


def _most_frequent(labels: Labels) -> float:
    _, counts = torch.unique(labels, dim=0, return_counts=True)
    return int(counts.max()) / len(labels)


def assumptions(found: Checkpoint) -> tuple[Inference, ...]:
    """What the file doesn't say and may therefore be wrong."""
    return tuple(each for each in found.inferred if each.assumed)


def doubt(found: Checkpoint, scored: Score) -> str | None:
    """One line for a model at chance that may have been read wrongly; None if neither is so."""
    assumed = assumptions(found)
    if not assumed or not scored.at_chance:
        return None
    listed = "; ".join(f"{each.setting}: {each.value}" for each in assumed)
    return (
        f"{scored.accuracy:.1%} of answers are right, where one constant answer gets {scored.chance:.1%}: if "
        f"{found.name} should know {scored.task}, one of these may be wrong, which its file does not say: "
        f"{listed}"
    )
