"""How few heads and MLPs do the task alone?"""

from __future__ import annotations

from dataclasses import replace

from algoscope.discovery.smallest import SEARCH, Scores, Smallest, smallest
from algoscope.figures.bars import grouped_bars
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, Value, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

SHARE = Claim(
    "alone-share",
    "A minority of the heads and MLPs does the task alone.",
    "share of heads and MLPs",
    at_most(0.5),
)
ACCURACY = Claim(
    "alone-accuracy",
    "The smallest set found does the task alone on inputs that it was not searched on, at every answer.",
    "share of the accuracy above chance, for each answer of an input",
    at_least(0.95).each(),
)
WITHOUT = Claim(
    "alone-without",
    "Without it the rest of the model is no better than chance, at every answer.",
    "share of the accuracy above chance, for each answer of an input",
    at_most(0.05).each(),
)


def alone(seen: Seen) -> Section:
    """How few parts do the task alone?"""
    text = (
        "The outputs of all heads and MLPs outside a set are replaced by their means over inputs, position "
        "by position, all at once; embeddings and norms stay. Starting from all of them, the least missed "
        "are "
        f"left out as long as the set keeps {SEARCH:g} of the model's accuracy above chance at every answer, "
        "until none can be; this is greedy, so there may be a smaller set. Chance is the share of the most "
        "common answer, or what is right without any head and MLP, whichever is more. What is found is then "
        "tested on other inputs, alone and by its absence."
    )
    section = Section("alone", "How few heads and MLPs do the task alone?", text)
    found = smallest(seen.model, seen.kept, seen.seed)
    if found is None:
        reason = "the whole model is no better than chance, so there is nothing to keep"
        return replace(section, findings=all_missing((SHARE, ACCURACY, WITHOUT), reason))
    return replace(
        section,
        findings=_findings(found),
        illustrations=(_bars(found),),
        tables=(_table(found, seen),),
    )


def _findings(found: Smallest) -> tuple[Finding, ...]:
    count, every = len(found.parts), len(found.parts) + len(found.rest)
    said = f"{count} of {every}: {', '.join(map(str, found.parts)) or 'none at all'}"
    share = SHARE.measured(count / every, said)
    if not found.rest:
        return (share, *all_missing((ACCURACY, WITHOUT), "no head or MLP can be left out"))
    return (
        share,
        ACCURACY.measured(*_kept(found, found.alone)),
        WITHOUT.measured(*_kept(found, found.without)),
    )


def _kept(found: Smallest, scores: Scores) -> tuple[list[Value], str]:
    """How much is kept at each answer, and what that is in right answers."""
    told = [
        f"{scores[number].accuracy:.1%} right, of {found.whole[number].accuracy:.1%}; chance "
        f"{found.chance[number]:.1%}"
        for number in found.numbers
    ]
    if len(told) > 1:
        told = [f"answer {number}: {words}" for number, words in zip(found.numbers, told, strict=True)]
    kept: list[Value] = list(found.kept(scores).values())
    return kept, ". ".join(told)


def _bars(found: Smallest) -> Illustration:
    """Right answers of the whole model, of the set alone, and of what is left without it."""
    scores = {"whole model": found.whole, "the set alone": found.alone, "without the set": found.without}
    series = {name: [of[number].accuracy for number in found.numbers] for name, of in scores.items()}
    series["chance"] = [found.chance[number] for number in found.numbers]
    labels = [f"answer {number}" for number in found.numbers] if len(found.numbers) > 1 else ["the answer"]
    figure = grouped_bars(series, labels, "share of answers that are right")
    return Illustration(figure, "What the smallest set found does alone, and what the others do without it.")


def _table(found: Smallest, seen: Seen) -> Table:
    inside = dict.fromkeys(found.parts, "in the set") | dict.fromkeys(found.rest, "left out")
    cost = seen.needs.mean
    return Table(
        ("part", "where", "rise of the loss without it"),
        tuple((str(part), inside[part], str(cost[part].rise)) for part in cost),
        "The set, and what each part costs by itself, in even guesses with 95 % intervals.",
    )
