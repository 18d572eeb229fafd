"""How often is the model wrong on fresh examples of each kind?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from algoscope.analysis.accuracy import answer_logits, score_by_group
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Task

MILLION = 1_000_000


@dataclass(frozen=True)
class ErrorRate:
    """Wrong answers among independent draws."""

    wrong: int
    count: int

    @property
    def per_million(self) -> float:
        return MILLION * self.wrong / self.count

    @property
    def at_most(self) -> float:
        """Per million, with 95 % confidence (Wilson's upper bound): what a count of zero still allows."""
        z, n, share = 1.645, self.count, self.wrong / self.count
        middle = share + z * z / (2 * n)
        spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return MILLION * min(1.0, (middle + spread) / (1 + z * z / n))


def error_rates(model: Transformer, task: Task, count: int, seed: int) -> dict[str, ErrorRate]:
    """The error rate on each of the task's kinds of input, over `count` examples sampled with `seed`.

    A kind that the sample has no example of is left out.
    """
    examples = task.sample(count, seed)
    found = score_by_group(answer_logits(model, examples), examples, task.groups(examples))
    return {
        name: ErrorRate(score.count - score.right, score.count)
        for name, score in found.items()
        if score is not None
    }
