"""On which inputs is the model worst?"""

from __future__ import annotations

from algoscope.analysis.spots import LEAST, Spot, spots
from algoscope.figures.accuracy import error_bars
from algoscope.questions.bound import at_most
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

WEAKEST = Claim(
    "weakest-spot",
    "There is no kind of answer on which the model often fails.",
    "share of wrong answers where they are most",
    at_most(0.01),
)
SPREAD = Claim(
    "errors-spread",
    "No kind of answer is wrong far more often than answers are overall.",
    "times the overall share of wrong answers, the lower end of its 95 % interval, where that is highest",
    at_most(3),
)
WORST = 10
"""Spots that the table lists."""
FEW = 10
"""Wrong answers below which nothing can be said of where they are."""


def weak_spots(seen: Seen) -> Section:
    """On which inputs is the model worst?"""
    found = spots(seen.right, seen.examples, seen.groups, seen.task.pad)
    worst = found[:WORST]
    return Section(
        "weak-spots",
        "On which inputs is the model worst?",
        "Answers are told apart by everything that the task knows of them: the kind of input, its length, "
        "which of the input's answers it is, and every concept that is yes or no or takes few values (one "
        "that is known at each position counts as it is at the answer). Kinds overlap; those with fewer than "
        f"{LEAST} answers are left out, and {len(found)} remain. Looking at many, the worst is worse than it "
        "would be alone: the interval tells what a count of that size can tell.",
        (_weakest(found), _spread(seen, found)),
        (_figure(worst),) if any(spot.wrong for spot in worst) else (),
        (_table(worst),) if worst else (),
    )


def _weakest(found: tuple[Spot, ...]) -> Finding:
    if not found:
        return WEAKEST.missing(f"nothing tells {LEAST} answers apart from the others")
    return WEAKEST.measured(found[0].share, said=_words(found[0]))


def _spread(seen: Seen, found: tuple[Spot, ...]) -> Finding:
    """Whether some kind is wrong more often than chance and the overall rate explain."""
    wrong, count = int((~seen.right).sum()), len(seen.right)
    if wrong < FEW or not found:
        return SPREAD.missing(f"{wrong} of {count:,} answers are wrong: too few to lie anywhere")
    surest = max(found, key=lambda spot: spot.interval[0])
    said = f"{_words(surest)}, of all {wrong / count:.2%}"
    return SPREAD.measured(surest.interval[0] * count / wrong, said=said)


def _words(spot: Spot) -> str:
    return f"where {spot.what} is {spot.value}, {spot.wrong:,} of {spot.count:,} are wrong"


def _figure(worst: tuple[Spot, ...]) -> Illustration:
    figure = error_bars(
        {spot.words: spot.share for spot in worst}, {spot.words: spot.count for spot in worst}
    )
    return Illustration(
        figure, "The share of wrong answers where it is highest, with how many answers there are."
    )


def _table(worst: tuple[Spot, ...]) -> Table:
    rows = tuple(
        (spot.what, spot.value, spot.count, spot.wrong, spot.share, "{:.4f} to {:.4f}".format(*spot.interval))
        for spot in worst
    )
    return Table(
        ("told apart by", "value", "answers", "wrong", "share wrong", "95 % interval"),
        rows,
        "Where answers are wrong most often, the worst first, with Wilson's interval for the share.",
    )
