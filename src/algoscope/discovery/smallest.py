"""How few heads and MLPs do the task alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from algoscope.analysis.accuracy import Score, score_by_number
from algoscope.discovery.effects import drawn
from algoscope.discovery.jointly import ablated
from algoscope.discovery.shrink import Judged, Set, shrink
from algoscope.interventions.sources import Mean
from algoscope.interventions.sweep import sweep
from algoscope.model.component import heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import Labels
from algoscope.tasks.task import Examples

MEAN = Mean(per="position")
EXAMPLES = 600
"""Of which a third are searched on; the others are kept to test what was found."""
SEARCHED = 1 / 3
SEARCH = 0.98
"""Of the accuracy above chance, while searching: more than is claimed, since the best of many is chosen."""
LEAST_GAIN = 0.05
"""In accuracy over chance: an answer at which the whole model gains less has nothing to keep."""
FEWEST = 20
"""Answers at one place: of fewer, a share can't be told."""

Scores = Mapping[int, Score]
"""By which of its input's answers it is: the first (0), the second ..."""


@dataclass(frozen=True)
class Smallest:
    """The smallest set of parts found that does the task alone, tested on examples that were not searched on.

    Chance is the share of the most common answer, or what is right with every head and MLP ablated, whichever
    is more.
    """

    parts: Set
    """In the order of the computation."""
    rest: Set
    whole: Scores
    alone: Scores
    """With the mean in the place of every other part's output, position by position."""
    without: Scores
    """With the mean in the place of these parts' outputs."""
    chance: Mapping[int, float]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The answers at which the whole model is better than chance, so that there is something to keep."""
        return _gaining(self.whole, self.chance)

    def kept(self, scores: Scores) -> Mapping[int, float]:
        """How much of the whole model's accuracy above chance these scores keep, at each of `numbers`."""
        return {
            number: (scores[number].accuracy - self.chance[number])
            / (self.whole[number].accuracy - self.chance[number])
            for number in self.numbers
        }


def smallest(model: Transformer, examples: Examples, seed: int = 0) -> Smallest | None:
    """Leaves out parts one after the other, the least missed first, until none can be left out.

    A set does the task alone if it keeps SEARCH of the whole model's accuracy above chance at every answer.
    Greedy, so there may be a smaller one. None if the whole model is no better than chance.
    """
    some = drawn(examples, EXAMPLES, seed)
    cut = round(SEARCHED * len(some))
    searched, fresh = some[:cut], some[cut:]
    every = heads_and_mlps(model.config)
    whole, nothing = _scores(model, searched, [every])
    chance = _chance(nothing, searched)
    numbers = _gaining(whole, chance)
    if not numbers:
        return None

    def judge(sets: Sequence[Set]) -> list[Judged]:
        rests = [tuple(part for part in every if part not in each) for each in sets]
        found = _scores(model, searched, rests)[1:]
        least = {n: chance[n] + SEARCH * (whole[n].accuracy - chance[n]) for n in numbers}
        return [
            Judged(all(scores[n].accuracy >= least[n] for n in numbers), -_loss(scores)) for scores in found
        ]

    parts = shrink(every, judge)
    rest = tuple(part for part in every if part not in parts)
    tested, alone, without, nothing = _scores(model, fresh, [rest, parts, every])
    found = Smallest(parts, rest, tested, alone, without, _chance(nothing, fresh))
    return found if found.numbers else None


@torch.no_grad()
def _scores(model: Transformer, examples: Examples, ablations: Sequence[Set]) -> list[Scores]:
    """How the whole model answers, then how it does with each of these sets of parts ablated."""
    acting = [each for each in ablations if each]
    swept = sweep(model, examples, [ablated(each, MEAN) for each in acting])
    clean, *others = (score_by_number(logits.cpu(), examples) for logits in (swept.clean, *swept.values))
    changed = iter(others)
    return [clean, *(next(changed) if each else clean for each in ablations)]


def _chance(nothing: Scores, examples: Examples) -> dict[int, float]:
    """The accuracy of the most common answer, or without heads and MLPs, where there are enough answers."""
    number = examples.row_number
    common = {each: _most_common(examples.labels[number == each]) for each in nothing}
    return {
        each: max(common[each], scored.accuracy) for each, scored in nothing.items() if scored.count >= FEWEST
    }


def _most_common(labels: Labels) -> float:
    """The share of the most common answer."""
    _, counts = labels.unique(dim=0, return_counts=True)
    return int(counts.max()) / len(labels)


def _gaining(whole: Scores, chance: Mapping[int, float]) -> tuple[int, ...]:
    return tuple(each for each, share in chance.items() if whole[each].accuracy - share >= LEAST_GAIN)


def _loss(scores: Scores) -> float:
    return sum(each.loss * each.count for each in scores.values())
