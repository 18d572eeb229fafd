"""How often is the model wrong on fresh examples of each kind?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from algoscope.analysis.accuracy import all_right, answer_logits
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import right
from algoscope.tasks.task import Examples, Task

MILLION = 1_000_000
Z = 1.96
"""Standard deviations of a normal distribution that hold 95 % of it."""


@dataclass(frozen=True)
class ErrorRate:
    """Wrong answers among independent draws.

    >>> rate = ErrorRate(0, 10_000)
    >>> rate.per_million, round(rate.at_most)
    (0.0, 384)
    """

    wrong: int
    count: int

    @property
    def per_million(self) -> float:
        return MILLION * self.wrong / self.count

    @property
    def at_least(self) -> float:
        """Per million, the lower end of Wilson's 95 % interval."""
        return self._end(-Z)

    @property
    def at_most(self) -> float:
        """Per million, the upper end of Wilson's 95 % interval: what a count of zero still allows."""
        return self._end(Z)

    def _end(self, z: float) -> float:
        n, share = self.count, self.wrong / self.count
        middle = share + z * z / (2 * n)
        spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        # Rounding can leave a share a hair outside 0 to 1.
        return MILLION * min(1.0, max(0.0, (middle + spread) / (1 + z * z / n)))


def error_rates(model: Transformer, task: Task, count: int, seed: int) -> dict[str, ErrorRate]:
    """The error rate on each of the task's kinds of input, over `count` examples sampled with `seed`.

    An input with several answers is wrong if one of them is. A kind without an example is left out.
    """
    examples = task.sample(count, seed)
    correct = right(answer_logits(model, examples), examples.labels.cpu())
    return by_kind(correct, examples, task.groups(examples))


def by_kind(
    correct: Bool[Tensor, "row"], examples: Examples, groups: Mapping[str, Bool[Tensor, "batch"]]
) -> dict[str, ErrorRate]:
    """How many inputs of each kind have a wrong answer; a kind without an example is left out."""
    wrong = ~all_right(correct, examples)
    return {name: _rate(wrong[mask.cpu()]) for name, mask in groups.items() if mask.any()}


def by_answer(correct: Bool[Tensor, "row"], examples: Examples) -> dict[int, ErrorRate]:
    """How often each input's first answer (0) is wrong, its second (1), and so on."""
    number = examples.row_number.cpu()
    return {each: _rate(~correct[number == each]) for each in number.unique().tolist()}


def together(rates: Mapping[str, ErrorRate]) -> ErrorRate:
    """Over all kinds, which are disjoint."""
    return ErrorRate(sum(rate.wrong for rate in rates.values()), sum(rate.count for rate in rates.values()))


def _rate(wrong: Bool[Tensor, "draw"]) -> ErrorRate:
    return ErrorRate(int(wrong.sum()), len(wrong))
