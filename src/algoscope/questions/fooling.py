"""Which inputs fool the model, and how often does it err?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.discovery.adversarial import Fooled, fooled, search, smallest_margin
from algoscope.discovery.error_rates import ErrorRate, by_answer, by_kind, together
from algoscope.figures.intervals import intervals
from algoscope.questions.bound import at_most
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, ShownInput, Table
from algoscope.tasks.answers import right
from algoscope.tasks.task import Examples

FRESH = 10_000
"""Without an error among so many, the interval ends at 384 per million."""
AT_FIRST, OFTEN = 1000, 0.05
"""Where so large a share of the first fresh inputs is wrong, more of them would tell nothing new."""
WALKERS, STEPS, NEIGHBOURS = 40, 6, 10
KNOWN_STEPS = 2
"""Steps from inputs that are wrong already: their neighbours, and those of the worst of these."""
SHOWN = 6
RARE = 1000

BEST = Claim(
    "adversarial-best",
    "No input is found that fools the model.",
    "different inputs with a wrong answer",
    at_most(0),
)
UNSURE = Claim(
    "mistakes-unsure",
    "Where the model is found to err, it is not sure of the wrong answer.",
    "highest probability of a wrong answer",
    at_most(0.9),
)
RATE = Claim(
    "errors-per-million",
    "Mistakes are rare on fresh inputs.",
    "inputs with a wrong answer per million, the upper end of a 95 % interval",
    at_most(RARE),
)
EACH_ANSWER = Claim(
    "errors-per-million-each",
    "Mistakes are rare at every answered place.",
    "wrong answers per million, the upper end of a 95 % interval, for the first answer, the second ...",
    at_most(RARE).each(),
)


@dataclass(frozen=True, eq=False)
class Fresh:
    """Inputs that the task draws anew, and what the model makes of them."""

    examples: Examples
    groups: Mapping[str, Bool[Tensor, "batch"]]
    logits: Float[Tensor, "row class"]


def fooling(seen: Seen) -> Section:
    """Which inputs fool the model, and how often does it err?"""
    fresh = _fresh(seen, AT_FIRST)
    seldom = bool(smallest_margin(fresh.logits, fresh.examples).lt(0).double().mean() < OFTEN)
    fresh = _fresh(seen, FRESH) if seldom else fresh
    found = _at_hand(seen, fresh)
    found |= _walked(seen, fresh, found) if seldom else {}
    correct = right(fresh.logits, fresh.examples.labels)
    kinds = by_kind(correct, fresh.examples, fresh.groups)
    several = len(fresh.examples.labels) > len(fresh.examples)
    answers = by_answer(correct, fresh.examples) if several else {}
    rates = kinds | {f"answer {number}": rate for number, rate in answers.items()}
    findings = [_rate(together(kinds)), _best(found), _unsure(found)]
    if answers:
        findings.append(_each(answers))
    return Section(
        "fooling",
        "Which inputs fool the model, and how often does it err?",
        _text(len(fresh.examples), seldom, len(found) > 2),
        tuple(findings),
        (_figure(rates),),
        (_rates(rates), _searches(found)),
        _shown(seen, found),
    )


def _fresh(seen: Seen, count: int) -> Fresh:
    drawn = seen.task.sample(count, seen.seed + 1)
    return Fresh(drawn, seen.task.groups(drawn), answer_logits(seen.model, drawn))


def _at_hand(seen: Seen, fresh: Fresh) -> dict[str, Fooled]:
    """What is wrong of the inputs of the study, and of fresh ones."""
    return {
        "the inputs of this study": fooled(seen.logits, seen.examples, len(seen.examples)),
        "fresh inputs": fooled(fresh.logits, fresh.examples, len(fresh.examples)),
    }


def _walked(seen: Seen, fresh: Fresh, found: Mapping[str, Fooled]) -> dict[str, Fooled]:
    """What walks find, from the hardest fresh inputs and from the wrong ones; nothing without neighbours."""
    margins = smallest_margin(fresh.logits, fresh.examples)
    hardest = margins.argsort(stable=True)[: WALKERS // 2]
    start = fresh.examples[torch.cat([hardest, torch.arange(WALKERS - len(hardest))])]
    if seen.task.neighbours(start.tokens, torch.Generator().manual_seed(seen.seed)) is None:
        return {}
    walks = {"walks from fresh inputs, half of them the hardest": _walk(seen, start, STEPS)}
    for way, each in found.items():
        if len(each):
            walks[f"around the wrong ones of {way}"] = _walk(seen, each.examples[:WALKERS], KNOWN_STEPS)
    return walks


def _walk(seen: Seen, start: Examples, steps: int) -> Fooled:
    task = seen.task
    return search(
        seen.model, task, start, task.neighbours, steps=steps, neighbours=NEIGHBOURS, seed=seen.seed
    )


def _different(found: Mapping[str, Fooled]) -> int:
    """How many different inputs there are: each way of looking may find the same."""
    return len({tuple(tokens) for each in found.values() for tokens in each.tokens.tolist()})


def _best(found: Mapping[str, Fooled]) -> Finding:
    tried = sum(each.tried for each in found.values())
    count = _different(found)
    return BEST.measured(count, said=f"{count:,} found; {tried:,} inputs were tried")


def _unsure(found: Mapping[str, Fooled]) -> Finding:
    sure = [each.probability[0].item() for each in found.values() if len(each)]
    if not sure:
        return UNSURE.missing("no input was found that fools the model")
    return UNSURE.measured(max(sure), said=f"the surest of its mistakes has probability {max(sure):.5f}")


def _rate(rate: ErrorRate) -> Finding:
    said = (
        f"{rate.wrong:,} of {rate.count:,} fresh inputs wrong: {rate.per_million:,.0f} per million, "
        f"95 % interval {rate.at_least:,.0f} to {rate.at_most:,.0f}"
    )
    return RATE.measured(rate.at_most, said)


def _each(answers: Mapping[int, ErrorRate]) -> Finding:
    judged = {number: each for number, each in answers.items() if _tells(each)}
    if not judged:
        return EACH_ANSWER.missing("no place in the order of answers is answered often enough to tell")
    worst = max(judged, key=lambda number: judged[number].wrong)
    rate, rest = judged[worst], len(answers) - len(judged)
    said = f"most often wrong is answer {worst}: {rate.wrong:,} of {rate.count:,}"
    note = f"{rest} places are answered too seldom to tell" if rest else ""
    return EACH_ANSWER.measured([each.at_most for each in judged.values()], said, note)


def _tells(rate: ErrorRate) -> bool:
    """Whether so many answers can decide: no mistake among them would keep the bound, or they break it."""
    return ErrorRate(0, rate.count).at_most <= RARE or rate.at_least > RARE


def _text(drawn: int, seldom: bool, searched: bool) -> str:
    walk = (
        f"Then {WALKERS} walks of {STEPS} steps start at fresh inputs, half of them those with the smallest "
        f"margin of the true answer; each step looks at {NEIGHBOURS} neighbours, small changes that the task "
        "proposes, and goes to the one with the smallest margin. Inputs that are wrong already are looked "
        "around in the same way. "
    )
    if not seldom:
        walk = "So many are wrong that there is nothing to search for. "
    elif not searched:
        walk = (
            "This task does not say which small changes leave an input of its own, so nothing was searched: "
            "a method `neighbours(tokens, generator)` in the task makes that possible. "
        )
    return (
        f"The task draws {drawn:,} inputs anew, other ones than those of this study. {walk}An input counts "
        "as wrong if any of its answers is, by the task's rule. Intervals are Wilson's."
    )


def _figure(rates: Mapping[str, ErrorRate]) -> Illustration:
    figure = intervals(
        {name: (rate.at_least, rate.per_million, rate.at_most) for name, rate in rates.items()},
        "errors per million",
        RARE,
    )
    return Illustration(
        figure, f"Errors per million of each kind of fresh input, with 95 % intervals; dashed: {RARE:,}."
    )


def _rates(rates: Mapping[str, ErrorRate]) -> Table:
    rows = tuple(
        (name, rate.count, rate.wrong, round(rate.per_million), round(rate.at_least), round(rate.at_most))
        for name, rate in rates.items()
    )
    columns = ("kind", "fresh", "wrong", "per million", "at least (95 %)", "at most (95 %)")
    return Table(columns, rows, "Mistakes on fresh inputs.")


def _searches(found: Mapping[str, Fooled]) -> Table:
    rows = tuple((way, each.tried, len(each)) for way, each in found.items())
    return Table(
        ("looked among", "tried", "different wrong ones"), rows, "Where inputs that fool it were sought."
    )


def _shown(seen: Seen, found: Mapping[str, Fooled]) -> tuple[ShownInput, ...]:
    """The surest mistakes, each once."""
    every = [
        (probability, way, tokens)
        for way, each in found.items()
        for probability, tokens in zip(each.probability[:SHOWN].tolist(), each.tokens, strict=False)
    ]
    once = {
        tuple(tokens.tolist()): (way, probability, tokens) for probability, way, tokens in reversed(every)
    }
    worst = sorted(once.values(), key=lambda one: -one[1])[:SHOWN]
    return tuple(
        ShownInput(
            seen.task.show(tokens, probability=probability),
            f"a wrong answer has probability {probability:.4f}; from {way}",
        )
        for way, probability, tokens in worst
    )
