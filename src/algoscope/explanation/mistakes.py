"""Does one answerer make another's mistakes? Counted in whole inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import all_right
from algoscope.analysis.intervals import wilson
from algoscope.discovery.effects import Interval
from algoscope.explanation.trial import same_inputs
from algoscope.tasks.answers import margin, right
from algoscope.tasks.task import Examples

Logits = Float[Tensor, "row class"]


@dataclass(frozen=True)
class Mistakes:
    """Inputs with a wrong answer, whether one or all: the model's, a program's, and those of both."""

    model: int
    program: int
    shared: int
    """Both are wrong somewhere."""
    alike: int
    """Of these, inputs to which both give the same answers throughout."""

    @property
    def recall(self) -> Interval | None:
        """Of the model's mistakes, the share that the program makes too; None if the model makes none."""
        return share(self.shared, self.model)

    @property
    def precision(self) -> Interval | None:
        """Of the program's mistakes, the share that are the model's; None if the program makes none."""
        return share(self.shared, self.program)


def mistakes(program: Logits, model: Logits, examples: Examples) -> Mistakes:
    """How many inputs each gets wrong.

    >>> truth = torch.tensor([0, 0, 1])
    >>> examples = Examples(torch.zeros(3, 1), truth, {}, torch.ones(3, 1, dtype=torch.bool))
    >>> model, program = torch.tensor([[1.0, 2], [1, 2], [1, 2]]), torch.tensor([[1.0, 2], [2, 1], [2, 1]])
    >>> mistakes(program, model, examples)
    Mistakes(model=2, program=2, shared=1, alike=1)
    """
    ours, theirs = wrong(program, examples), wrong(model, examples)
    both = ours & theirs
    alike = both & same_inputs(program, model, examples)
    return Mistakes(*(int(each.sum()) for each in (theirs, ours, both, alike)))


def wrong(logits: Logits, examples: Examples) -> Bool[Tensor, "batch"]:
    """Which inputs have a wrong answer."""
    return ~all_right(right(logits, examples.labels), examples)


def doubt(logits: Logits, examples: Examples) -> Float[Tensor, "batch"]:
    """How far each input is from a clear right answer: the lowest margin of its answers, negated."""
    clear = margin(logits, examples.labels).double()
    least = clear.new_full((len(examples),), torch.inf)
    return -least.scatter_reduce(0, examples.row_example, clear, "amin")


def ranking(scores: Float[Tensor, "batch"], marked: Bool[Tensor, "batch"]) -> float:
    """How often a marked input has a higher score than another, ties as half: the area under the ROC curve.

    NaN where none is marked, or all are.

    >>> ranking(torch.tensor([0.0, 1.0, 2.0, 2.0]), torch.tensor([False, True, False, True]))
    0.625
    """
    _, at, count = scores.unique(return_inverse=True, return_counts=True)
    below = (count.cumsum(0) - count + (count - 1) / 2).double()
    own = float(marked.sum())
    pairs = own * (len(scores) - own)
    return (float(below[at][marked].sum()) - own * (own - 1) / 2) / pairs if pairs else torch.nan


def within_classes(program: Logits, model: Logits, examples: Examples) -> float:
    """Correlation of the two margins, as they differ from the mean of the answers with the same truth.

    NaN where one of the two is the same for all answers of each truth.
    """
    _, truth = examples.labels.unique(dim=0, return_inverse=True)
    count = truth.bincount().double()
    ours, theirs = (
        each - (each.new_zeros(len(count)).index_add(0, truth, each) / count)[truth]
        for each in (margin(logits, examples.labels).double() for logits in (program, model))
    )
    spread = float((ours.square().sum() * theirs.square().sum()).sqrt())
    return float((ours * theirs).sum()) / spread if spread > 1e-9 else torch.nan


def share(hits: int, count: int) -> Interval | None:
    """A share of independent inputs with its interval; None of none."""
    return Interval(hits / count, *wilson(hits, count)) if count else None
