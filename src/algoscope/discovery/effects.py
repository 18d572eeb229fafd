"""What does a change of the model do to its answers, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.interventions.intervention import Variant
from algoscope.interventions.sweep import sweep
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import guessing, right, surprise
from algoscope.tasks.task import Examples

LIMIT = 0.05
"""Of an even guess's cross-entropy: a smaller rise of the loss is none to speak of, whatever the task."""
HALF_WIDTH = 1.96
"""Of a 95 % interval, in standard errors."""
HELD = 2**25
"""Logits held at a time: 128 MiB in float32, whatever the number of changes."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over examples.

    >>> str(Interval(0.5, -2e-7, 0.75))
    '0.500 (0.000 to 0.750)'
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """To three places: a rise that is smaller is none, and should read as none."""
        return f"{self.mean:z.3f} ({self.low:z.3f} to {self.high:z.3f})"


class Verdict(StrEnum):
    """Whether the model needs what was taken from it."""

    NEEDED = "needed"
    UNNEEDED = "unneeded"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Effect:
    """What a change does to the answers."""

    rise: Interval
    """Of the cross-entropy with the truth, in even guesses: 1 is what an even guess costs."""
    right: Interval
    """Share of answers that are still right."""
    by_number: tuple[float, ...]
    """The rise at each input's first answer, its second, and so on, over the inputs that have it."""

    @property
    def verdict(self) -> Verdict:
        """Needed if the rise is LIMIT or more, and surely one; unneeded if it is surely below LIMIT."""
        if self.rise.mean >= LIMIT and self.rise.low > 0:
            return Verdict.NEEDED
        return Verdict.UNNEEDED if self.rise.high < LIMIT else Verdict.UNDECIDED

    @property
    def needed(self) -> bool:
        return self.verdict is Verdict.NEEDED

    @property
    def unneeded(self) -> bool:
        return self.verdict is Verdict.UNNEEDED


@torch.no_grad()
def effects(model: Transformer, examples: Examples, changes: Sequence[Variant]) -> tuple[Effect, ...]:
    """The effect of each change, made alone. A change is an intervention, or several that act together."""
    size = max(1, HELD // (len(examples.labels) * model.config.d_vocab_out))
    found: list[Effect] = []
    for start in range(0, len(changes), size):
        swept = sweep(model, examples, changes[start : start + size])
        logits = torch.cat([swept.clean[None], swept.values]).double().cpu()
        found += _effects(logits, examples.to("cpu"))
    return tuple(found)


def intervals(values: Float[Tensor, "change row"], examples: Examples) -> list[Interval]:
    """The mean over rows of each, with a 95 % interval over examples: the answers of one input go together.

    Normal approximation, with the cluster-robust standard error of a mean: an example of n rows that sum to s
    adds (s - n·mean)².
    """
    example = examples.row_example
    sums = values.new_zeros(len(values), len(examples)).index_add(1, example, values)
    counts = torch.bincount(example, minlength=len(examples)).to(values)
    clusters, rows = int((counts > 0).sum()), values.shape[1]
    mean = values.mean(1)
    gaps = (sums - mean[:, None] * counts).square().sum(1)
    if clusters < 2:
        # From a single example there is no telling how far others lie from it.
        return [Interval(m, -math.inf, math.inf) for m in mean.tolist()]
    half = HALF_WIDTH * (gaps * clusters / (clusters - 1)).sqrt() / rows
    return [Interval(m, m - h, m + h) for m, h in zip(mean.tolist(), half.tolist(), strict=True)]


def drawn(examples: Examples, count: int, seed: int) -> Examples:
    """Up to `count` of the examples, drawn at random, in their order: files may be sorted by kind."""
    if len(examples) <= count:
        return examples
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    return examples[order[:count].sort().values]


def _effects(logits: Float[Tensor, "1+change row class"], examples: Examples) -> list[Effect]:
    """Of each but the first, which is the model as it is."""
    even = guessing(logits.shape[-1], examples.sets)
    losses = surprise(logits, examples.labels) / even
    rises = losses[1:] - losses[:1]
    rights = intervals(right(logits[1:], examples.labels).double(), examples)
    number = examples.row_number
    numbers = number.unique()
    means = torch.stack([rises[:, number == each].mean(1) for each in numbers.tolist()], dim=1)
    return [
        Effect(rise, Interval(share.mean, max(share.low, 0.0), min(share.high, 1.0)), tuple(by_number))
        for rise, share, by_number in zip(intervals(rises, examples), rights, means.tolist(), strict=True)
    ]
