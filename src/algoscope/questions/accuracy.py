"""Does the model do the task, on every kind of input and at every answer?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from algoscope.analysis.accuracy import Score, score, score_by_group, score_by_number
from algoscope.analysis.intervals import wilson
from algoscope.figures.accuracy import error_bars
from algoscope.figures.heatmaps import heatmaps
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.tasks.answers import guessing

WELL = at_least(0.99)

ACCURACY = Claim("accuracy", "The model gives the right answer.", "share of answers", WELL)
WHOLE = Claim(
    "accuracy-whole-inputs", "The model gives all answers of an input right.", "share of inputs", WELL
)
BY_KIND = Claim(
    "accuracy-by-kind",
    "The model gives the right answer to every kind of input.",
    "share of answers",
    WELL.each(),
)
BY_ANSWER = Claim(
    "accuracy-by-answer",
    "The model gives the right answer at each place in the order of answers.",
    "share of answers",
    WELL.each(),
)
LOSS = Claim(
    "loss",
    "The model is sure of its answers.",
    "share of an even guess's cross-entropy",
    at_most(0.1),
)


def accuracy(seen: Seen) -> Section:
    """Does the model do the task, on every kind of input and at every answer?"""
    overall = score(seen.logits, seen.examples.labels)
    assert overall is not None, "there is an answer"
    kinds = score_by_group(seen.logits, seen.examples, seen.groups)
    present = {name: found for name, found in kinds.items() if found is not None}
    findings = [ACCURACY.measured(overall.accuracy, said=_said("", overall))]
    if not seen.one_answer:
        findings.append(_whole(seen))
    if len(present) > 1:
        absent = [name for name, found in kinds.items() if found is None]
        findings.append(_each(BY_KIND, present, f"without an example: {', '.join(absent)}" if absent else ""))
    numbers = {
        f"answer {number}": found for number, found in score_by_number(seen.logits, seen.examples).items()
    }
    if len(numbers) > 1:
        findings.append(_each(BY_ANSWER, numbers))
    even = guessing(len(seen.task.classes), seen.examples.sets)
    said = f"the mean cross-entropy is {overall.loss:.3g} nats, that of an even guess {even:.3g}"
    findings.append(LOSS.measured(overall.loss / even, said=said))
    return Section(
        "accuracy",
        "Does the model do the task, on every kind of input?",
        _text(seen),
        tuple(findings),
        (*_figures(present, numbers), *_kinds_by_answer(seen)),
        (
            _table(
                {
                    "all": overall,
                    **(present if len(present) > 1 else {}),
                    **(numbers if len(numbers) > 1 else {}),
                }
            ),
        ),
    )


def _text(seen: Seen) -> str:
    """What was counted, and as what."""
    rule = (
        "An answer is a set of classes: it is right if every class with a logit above 0 belongs to it and no "
        "other does."
        if seen.examples.sets
        else "An answer is the class with the highest logit, compared with the one that the rule gives."
    )
    several = (
        "" if seen.one_answer else f" There are {len(seen.examples.labels):,} answers, each counted alone."
    )
    return (
        f"The model answers {len(seen.examples):,} inputs at {seen.where}.{several} {rule} One number for "
        "all can hide a kind of input, or an answer, at which the model fails: each is counted on its own."
    )


def _whole(seen: Seen) -> Finding:
    right, count = int(seen.inputs_right.sum()), len(seen.examples)
    return WHOLE.measured(right / count, said=f"{right:,} of {count:,} inputs")


def _each(claim: Claim, scores: Mapping[str, Score], note: str = "") -> Finding:
    said = "; ".join(_said(f"{name}: ", found) for name, found in scores.items())
    return claim.measured([found.accuracy for found in scores.values()], said=said, note=note)


def _said(name: str, found: Score) -> str:
    return f"{name}{found.right:,} of {found.count:,}"


def _table(scores: Mapping[str, Score]) -> Table:
    rows = []
    for name, found in scores.items():
        low, high = wilson(found.right, found.count)
        rows.append(
            (name, found.count, found.count - found.right, found.accuracy, f"{low:.4f} to {high:.4f}")
        )
    return Table(
        ("answers", "count", "wrong", "share right", "95 % interval"),
        tuple(rows),
        "Right answers, with Wilson's interval for the share.",
    )


def _figures(kinds: Mapping[str, Score], numbers: Mapping[str, Score]) -> tuple[Illustration, ...]:
    by = {"kind of input": kinds, "answer, counted from the first, 0": numbers}
    return tuple(
        Illustration(
            error_bars(
                {name: 1 - found.accuracy for name, found in scores.items()},
                {name: found.count for name, found in scores.items()},
            ),
            f"The share of wrong answers by {what}, with how many there are.",
        )
        for what, scores in by.items()
        if scores is kinds or len(scores) > 1
    )


def _kinds_by_answer(seen: Seen) -> tuple[Illustration, ...]:
    """A cell for each kind and answer number, where there are several of both; blank where none is."""
    numbers = seen.examples.row_number.unique().tolist()
    if len(numbers) < 2 or len(seen.groups) < 2:
        return ()
    grid = np.array([_shares_wrong(seen, name, numbers) for name in seen.groups])
    figure = heatmaps(
        {"": grid}, list(seen.groups), list(map(str, numbers)), ("kind of input", "answer"), "share wrong"
    )
    return (Illustration(figure, "The share of wrong answers of each kind of input, at each answer."),)


def _shares_wrong(seen: Seen, group: str, numbers: list[int]) -> Float[np.ndarray, "number"]:
    of_group = seen.groups[group][seen.examples.row_example]
    cells = [seen.right[of_group & (seen.examples.row_number == number)] for number in numbers]
    return np.array([1 - float(cell.double().mean()) if len(cell) else np.nan for cell in cells])
