"""How well does a program answer as the model does, and how well would less have done?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from algoscope.analysis.accuracy import answer_logits
from algoscope.discovery.effects import Interval, intervals
from algoscope.explanation.mistakes import (
    Mistakes,
    doubt,
    mistakes,
    ranking,
    share,
    within_classes,
    wrong,
)
from algoscope.explanation.pool import Pool
from algoscope.explanation.program import Carried, Program, tables
from algoscope.explanation.trial import decisions, same_answers, same_inputs
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import divergence
from algoscope.tasks.task import Examples, Task

Logits = Float[Tensor, "row class"]
Answers = Callable[[Examples], Logits]
"""Whatever answers inputs: a program, or one of the baselines."""

TRUTH, FREQUENT, LAST = "true label", "most frequent answer", "last node only"
ROUNDS = 20
"""How often at most it is looked for inputs whose neighbours are answered otherwise."""


@dataclass(frozen=True)
class Score:
    """How near some answers are to the model's."""

    inputs: int
    answers: Interval
    """Share of answers that are the model's."""
    same: Interval
    """Share of inputs to which every answer is the model's."""
    kl: Interval | None
    """From the model's answers, in nats a mean answer; None where there are no probabilities."""
    mistakes: Mistakes
    within: float
    """Correlation of its margins with the model's among answers with the same truth; NaN if it has none."""
    doubt: float
    """How often an input that the model gets wrong has a lower margin than one that it gets right: the area
    under the ROC curve. NaN where the model gets none wrong."""
    unknown: float = 0.0
    """Share of what was looked up that no table had."""


def scores(
    model: Transformer, program: Program, others: Mapping[str, Answers], examples: Examples
) -> dict[str, Score]:
    """The score of a program, as "program", and those of the baselines, by name."""
    theirs = answer_logits(model, examples)
    answer = program.answer(examples)
    found = {"program": replace(score(answer.logits, theirs, examples), unknown=answer.unknown)}
    for name, answers in others.items():
        found[name] = score(answers(examples), theirs, examples)
    if TRUTH in found:
        found[TRUTH] = replace(found[TRUTH], kl=None)
    return found


def score(ours: Logits, theirs: Logits, examples: Examples) -> Score:
    """How near these answers are to the model's."""
    agree = same_answers(ours, theirs, examples.sets)
    kl = divergence(ours.double(), theirs.double(), examples.sets)
    answers, nats = intervals(torch.stack([agree.double(), kl]), examples)
    same = share(int(same_inputs(ours, theirs, examples).sum()), len(examples))
    assert same is not None
    return Score(
        len(examples),
        Interval(answers.mean, max(answers.low, 0.0), min(answers.high, 1.0)),
        same,
        nats,
        mistakes(ours, theirs, examples),
        within_classes(ours, theirs, examples),
        ranking(doubt(ours, examples), wrong(theirs, examples)),
    )


def baselines(pool: Pool, carried: Carried) -> dict[str, Answers]:
    """What answers without an explanation: the truth, the most frequent answer, and the last node by itself.

    The last node is the last part of the model that carries something, as tables; of all others, the mean.
    """
    return {TRUTH: _truth(pool), FREQUENT: _frequent(pool), LAST: tables(pool, last_node_only(carried))}


def last_node_only(carried: Carried) -> Carried:
    """The same, but nothing is carried before the last part of the model that carries something."""
    last = max((node.component for node, factors in carried.items() if factors), default=None)
    return {node: factors if node.component == last else () for node, factors in carried.items()}


def near(task: Task, n: int, seed: int) -> Examples | None:
    """Up to `n` inputs that lie next to one that is answered otherwise; None if a task has no neighbours.

    Half of them are drawn, as a sample is, and half are their neighbours.
    """
    if task.neighbours(task.sample(2, seed).tokens, Generator().manual_seed(seed)) is None:
        return None
    found: list[Tensor] = []
    for turn in range(ROUNDS):
        pairs = task.contrasts(n, seed + turn * 1_000_003)
        found += [torch.stack([each.tokens for each in pairs], 1)]
        if sum(map(len, found)) >= n / 2:
            break
    tokens = torch.cat(found)[: (n + 1) // 2].flatten(0, 1)
    return task.examples(tokens) if len(tokens) else None


def _truth(pool: Pool) -> Answers:
    classes = pool.model.config.d_vocab_out

    def answers(examples: Examples) -> Logits:
        truth = examples.labels if examples.sets else functional.one_hot(examples.labels, classes)
        return truth.to(pool.logits) * 2 - 1

    return answers


def _frequent(pool: Pool) -> Answers:
    """The shares of the model's answers on the pool, each class counted once more than it came."""
    said = decisions(pool.logits, pool.examples.sets)
    classes, count = pool.model.config.d_vocab_out, len(said)
    if pool.examples.sets:
        logits = (said.sum(0).to(pool.logits) + 1).div(count + 2).logit()
    else:
        logits = (said.bincount(minlength=classes).to(pool.logits) + 1).div(count + classes).log()
    return lambda examples: logits.expand(len(examples.labels), -1)
