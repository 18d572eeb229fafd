"""Which inputs fool the model, and does knowing its weak pairs find them sooner?"""

from __future__ import annotations

import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.discovery.adversarial import Fooled
from algoscope.discovery.error_rates import MILLION, ErrorRate
from algoscope.questions.study import Finding, Section, Table
from algoscope.stories.palindromes.palindrome_search import NEIGHBOURS, STEPS, WALKERS, WEAKEST
from algoscope.stories.palindromes.performance import shown
from algoscope.stories.palindromes.single_faults import random_faults
from algoscope.stories.palindromes.subject import OURS, TEXT, Subject
from algoscope.tasks.palindromes import END, HALF, START, broken_at

EACH = 2000
"""Sequences for each number of mismatches."""
_UP = tuple(range(1, HALF + 1))
PUBLISHED = (
    (START, *_UP, *(10, 9, 8, 7, 6, 5, 4, 3, 15, 1), END),
    (START, *(1, 2, 3, 15, 5, 6, 7, 8, 9, 10), *_UP[::-1], END),
    (START, *(1, 2, 3, 3, 3, 6, 7, 8, 9, 10), *(10, 9, 8, 7, 6, 3, 3, 3, 2, 3), END),
    (START, *_UP, *(10, 9, 8, 7, 6, 5, 15, 3, 15, 1), END),
)
"""Sequences that the published analysis made by hand for the public model's weak positions."""


def published(subject: Subject) -> Section:
    """Do the published adversarial sequences fool the model?"""
    examples = subject.seen.task.examples(torch.tensor(PUBLISHED))
    probability = answer_logits(subject.model, examples).softmax(-1)[:, 1].tolist()
    fooled = sum(sure > 0.5 for sure in probability)
    finding = Finding(
        "published-adversarial",
        f"The published sequences, none of them a palindrome, fool the model: {fooled} of "
        f"{len(probability)}.",
        list(probability),
        "probability of a palindrome, one each",
        "more than 0.5 each",
        fooled == len(probability),
        TEXT,
        quote="all four of these examples are non-palindromes; the model classifies them as palindromes",
    )
    return Section(
        "published-adversarial",
        "Do the published adversarial sequences fool the model?",
        "Four sequences were made by hand to break the public model where its V-composition circuit has the "
        "wrong sign. They say nothing about a model with other weak pairs, where their probabilities are an "
        "ordinary answer to an ordinary question.",
        (finding,),
        inputs=shown(subject, examples),
    )


def searched(subject: Subject) -> Section:
    """Which inputs fool the model?"""
    guided, unguided = subject.fooled, subject.fooled_unguided
    rates = {count: _rate(subject, count) for count in range(1, HALF + 1)}
    best = max((guided, unguided), key=lambda found: found.probability.max().item() if len(found) else -1.0)
    palindromes = best.tokens[best.labels == 0]
    top = best.probability[0].item() if len(best) else None
    tried = guided.tried + unguided.tried
    worst = max(rates, key=lambda count: rates[count].wrong)
    findings = (
        Finding(
            "adversarial-best",
            "No input is found that fools the model."
            if top is None
            else f"No input is found that fools the model; but one of {tried:,} does, to {top:.4f}.",
            top,
            "probability of the wrong answer",
            "none above 0.5",
            top is None,
            OURS,
            f"no input was found, of {tried:,} tried" if top is None else "",
        ),
        _guidance(guided, unguided),
        Finding(
            "errors-per-million",
            f"The model errs most often with {worst} mismatched pair{'' if worst == 1 else 's'}: "
            f"{rates[worst].per_million:,.0f} per million.",
            [rates[count].per_million for count in rates],
            "per million, by number of mismatched pairs from 1",
            "at most 1000 each",
            all(rate.per_million <= 1000 for rate in rates.values()),
            OURS,
        ),
    )
    return Section(
        "adversarial",
        "Which inputs fool the model, and does knowing its weak pairs find them sooner?",
        f"Two searches walk from {WALKERS} sequences for {STEPS} steps and look at {NEIGHBOURS} neighbours "
        "each time. The unguided one starts at sequences with a few broken pairs and changes single "
        f"numbers. The guided one starts with one of the {WEAKEST} pairs broken that the position circuits "
        "think weakest, and changes mirrored numbers together, so that no other pair breaks. Every find "
        "is checked against the task's rule.",
        findings,
        tables=(_rates(rates),),
        inputs=shown(subject, subject.seen.task.examples(palindromes[:5])) if len(palindromes) else (),
    )


def _guidance(guided: Fooled, unguided: Fooled) -> Finding:
    per_million = [MILLION * len(found) / found.tried for found in (guided, unguided)]
    return Finding(
        "adversarial-guidance",
        "Knowing the weak pairs finds more: "
        f"{per_million[0]:,.0f} different hits per million inputs tried, against {per_million[1]:,.0f}.",
        per_million[0] / per_million[1] if per_million[1] else None,
        "times as many hits",
        "more than 1",
        per_million[0] > per_million[1] if len(guided) or len(unguided) else None,
        OURS,
        "" if per_million[1] else "the unguided search finds nothing",
    )


def _rate(subject: Subject, count: int) -> ErrorRate:
    """Of sequences with so many mismatches, at random places."""
    examples = broken_at(random_faults(EACH, count, subject.seed + count), subject.seed + 20 + count)
    wrong = answer_logits(subject.model, examples).argmax(-1) != examples.labels
    return ErrorRate(int(wrong.sum()), EACH)


def _rates(rates: dict[int, ErrorRate]) -> Table:
    rows = tuple(
        (count, rate.wrong, rate.count, f"{rate.per_million:,.0f}", f"{rate.at_most:,.0f}")
        for count, rate in rates.items()
    )
    columns = ("mismatched pairs", "wrong", "tried", "per million", "at most, with 95 % confidence")
    return Table(
        columns, rows, "Random sequences with so many mismatched pairs that the model takes for palindromes."
    )
