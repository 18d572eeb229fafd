"""How a hypothesis fares on inputs of a task, and how many of them could be used."""

from __future__ import annotations

from dataclasses import dataclass

from algoscope.discovery.circuits.scrubbing import Hypothesis, Survival, alike, scrub
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Task

TIMES = 20
"""So many times the inputs that are wanted are sampled, since few may be of one length."""


@dataclass(frozen=True)
class Trial:
    """What survived of a model under a hypothesis, and on what."""

    hypothesis: Hypothesis
    survival: Survival
    inputs: int
    sampled: int
    other: int
    """How many of the sampled inputs have another length than the most common, or other answered places."""


def tried(model: Transformer, task: Task, hypothesis: Hypothesis, inputs: int, seed: int) -> Trial:
    """The hypothesis on up to so many inputs of the task, all of the most common length."""
    sampled = task.sample(TIMES * inputs, seed)
    even = alike(model, sampled)
    used = even[:inputs]
    other = len(sampled) - len(even)
    return Trial(hypothesis, scrub(model, used, hypothesis, seed), len(used), len(sampled), other)
