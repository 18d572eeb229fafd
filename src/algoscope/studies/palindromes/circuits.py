"""What does the reading head see of what the matching head wrote, position by position?"""

from __future__ import annotations

import torch

from algoscope.analysis.attribution import Contributions, histograms
from algoscope.analysis.through import (
    k_circuit,
    mean_query,
    outputs_through,
    position_query,
    v_circuit,
    values_through,
)
from algoscope.figures.histograms import contribution_histograms
from algoscope.figures.positions import position_points
from algoscope.model.head import Head
from algoscope.studies.palindromes.subject import NO_MATCHING, NO_READING, TEXT, Subject
from algoscope.studies.study import Finding, Illustration, Section, Value
from algoscope.tasks.palindromes import END_POSITION, HALF

FIRST, SECOND = range(1, HALF + 1), range(HALF + 1, 2 * HALF + 1)
KINDS = {"START and END": (0, END_POSITION), "first half": tuple(FIRST), "second half": tuple(SECOND)}
NUMBERS = {name: kind for name, kind in KINDS.items() if name != "START and END"}
MOST = 3
"""Of ten positions: the signs are right more than twice as often as wrong."""
STEADY = 0.25
"""Of the spread between positions: what one position says is mostly decided by where it is."""


def key_circuit(subject: Subject) -> Section:
    """Does the reading head look harder where the matching head looked at the second half?"""
    question = "Which positions, seen through the matching head, does the reading head look for?"
    text = (
        "K-composition along one line: a position embedding is moved by the matching head and read by the "
        "reading head's keys, and the query is the one at END. A later number that matches its mirror "
        "image carries its position, one of the first half; a number that doesn't carries its own. So the "
        "first half should be negative and the second positive. The upper panel's query is made of END's "
        "position embedding alone, as published; the lower one's is the mean query."
    )
    pair = _pair(subject)
    if isinstance(pair, str):
        names = ("k-circuit-exceptions", "k-circuit-exceptions-mean-query")
        missing = tuple(_exceptions(name, None, pair) for name in names)
        return Section("key-circuit", question, text, missing)
    writer, reader = pair
    model, small = subject.model, subject.small
    published = k_circuit(model, writer, reader, position_query(model, reader, END_POSITION))
    mean = k_circuit(model, writer, reader, mean_query(model, small, reader, END_POSITION))
    findings = (
        _exceptions("k-circuit-exceptions", _wrong_signs(published)),
        _exceptions("k-circuit-exceptions-mean-query", _wrong_signs(mean)),
    )
    panels = (
        (published, "the query is END's position embedding"),
        (mean, "the query is the mean one"),
    )
    figures = tuple(
        Illustration(
            position_points(values[None].numpy(), range(len(values)), KINDS, "score"),
            f"How much head {reader} looks at each position for what head {writer} moved out of it; "
            f"{measure}.",
        )
        for values, measure in panels
    )
    return Section("key-circuit", question, text, findings, figures)


def value_circuit(subject: Subject) -> Section:
    """Does what is found there say "not palindrome"?"""
    question = "What does a position, moved by both heads, say about the answer?"
    text = (
        "V-composition along the direction of the answer: a position embedding is moved by the matching "
        "head, then by the reading head. First-half positions should say “palindrome”, second-half "
        "positions “not palindrome”. Where they don't, a mismatch can't be told in this way."
    )
    pair = _pair(subject)
    if isinstance(pair, str):
        return Section("value-circuit", question, text, (_exceptions("v-circuit-exceptions", None, pair),))
    writer, reader = pair
    values = v_circuit(subject.model, writer, reader, subject.direction.vector)
    chart = position_points(values[None].numpy(), range(len(values)), KINDS, "towards “not palindrome”")
    caption = f"Position embeddings through the OV of head {writer}, then of head {reader}."
    finding = _exceptions("v-circuit-exceptions", _wrong_signs(values))
    return Section("value-circuit", question, text, (finding,), (Illustration(chart, caption),))


def outputs(subject: Subject) -> Section:
    """Does the same hold on real inputs?"""
    question = "Does what the matching head really writes speak for the answer?"
    text = (
        "The same on the published 100 sequences, numbers included. First the matching head's output "
        "through the reading head's OV, averaged over all positions, by class. Then its value at each "
        "position alone, which is what it writes there when it looks at that position itself: on one "
        "sequence, and on all."
    )
    pair = _pair(subject)
    names = ("outputs-gap", "values-spread")
    if isinstance(pair, str):
        return Section("outputs", question, text, tuple(_measured(name, None, pair) for name in names))
    writer, reader = pair
    small, along = subject.small, subject.direction.vector
    out = outputs_through(subject.model, small, writer, reader, along)
    values = values_through(subject.model, small, writer, reader, along)[:, 1:END_POSITION]
    other, palindrome = (out[small.labels == label].mean(1) for label in (0, 1))
    deviation = values.std(0).mean().item()
    between = values.mean(0).std().item()
    findings = (
        _measured("outputs-gap", (other.mean() - palindrome.mean()).item()),
        _measured(
            "values-spread", deviation / between, f"a standard deviation of {deviation:.4f} on average"
        ),
    )
    return Section("outputs", question, text, findings, _output_figures(subject, pair, out, values))


def _output_figures(
    subject: Subject, pair: tuple[Head, Head], out: torch.Tensor, values: torch.Tensor
) -> tuple[Illustration, ...]:
    writer, reader = pair
    small, task = subject.small, subject.seen.task
    named = Contributions((f"{writer} through {reader}",), out.mean(1)[None], "not palindrome")
    example = int((small.labels == 0).nonzero()[1])
    broken = small.concepts["mismatch"][example].nonzero()[:, 0].tolist()
    measure = "towards “not palindrome”"
    numbers = range(1, END_POSITION)
    return (
        Illustration(
            contribution_histograms(histograms(named, task.groups(small)), columns=2),
            f"The output of head {writer} through the OV of head {reader}, averaged over positions, by "
            "class.",
        ),
        Illustration(
            position_points(values[example : example + 1].numpy(), numbers, NUMBERS, measure),
            f"The value of head {writer} at each position through head {reader}, on sequence {example} of "
            f"the published 100, which is broken at {', '.join(map(str, broken))}: "
            f"{task.show(small.tokens[example]).plain}.",
        ),
        Illustration(
            position_points(values.numpy(), numbers, NUMBERS, measure),
            "The same on all 100 sequences.",
        ),
    )


def _pair(subject: Subject) -> tuple[Head, Head] | str:
    """The matching and the reading head, or why there is no such pair."""
    if subject.reader is None:
        return NO_READING
    return NO_MATCHING if subject.matcher is None else (subject.matcher, subject.reader)


def _wrong_signs(values: torch.Tensor) -> list[int]:
    first = [position for position in FIRST if values[position] >= 0]
    return first + [position for position in SECOND if values[position] <= 0]


def _exceptions(identity: str, wrong: list[int] | None, reason: str = "") -> Finding:
    what = "looked for" if identity.startswith("k") else "heard as “not palindrome”"
    quote = "H0.0's value is used as a key in H1.0; H1.0 queries for positions where the property is broken"
    if identity.startswith("v"):
        quote = "we expect indices 1-10 to map to negative values and indices 11-20 to positive values"
    value: Value = None if wrong is None else list(wrong)
    return Finding(
        identity,
        f"Seen through the matching head, the second half is {what} and the first half is not.",
        value,
        "positions with the other sign",
        f"at most {MOST} of each half",
        None
        if wrong is None
        else max(len([p for p in wrong if p in half]) for half in (FIRST, SECOND)) <= MOST,
        TEXT,
        reason,
        "" if identity.endswith("mean-query") else quote,
    )


def _measured(identity: str, value: float | None, reason: str = "") -> Finding:
    claim, unit, expected, holds, quote = {
        "outputs-gap": (
            "What the matching head writes says more for “not palindrome” where there is none.",
            "mean of the one class minus the other's",
            "more than 0",
            lambda gap: gap > 0,
            "this looks pretty reasonable, even though we averaged over the sequence position",
        ),
        "values-spread": (
            "What a position says through the two heads depends little on the number that stands there.",
            "spread over inputs as a share of the spread over positions",
            f"at most {STEADY:g}",
            lambda share: share <= STEADY,
            "W_OV of H0.0 is detecting if the sequence position is in the first half or second half",
        ),
    }[identity]
    held = None if value is None else holds(value)
    return Finding(identity, claim, value, unit, expected, held, TEXT, reason, quote)
