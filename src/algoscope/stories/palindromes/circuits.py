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
from algoscope.questions.study import Finding, Illustration, Section
from algoscope.questions.tested import Claim
from algoscope.stories.palindromes.subject import NO_MATCHING, NO_READING, TEXT, Subject
from algoscope.tasks.palindromes import END_POSITION, HALF

FIRST, SECOND = range(1, HALF + 1), range(HALF + 1, 2 * HALF + 1)
KINDS = {"START and END": (0, END_POSITION), "first half": tuple(FIRST), "second half": tuple(SECOND)}
NUMBERS = {name: kind for name, kind in KINDS.items() if name != "START and END"}
MOST = 3
"""Of ten positions: the signs are right more than twice as often as wrong."""
STEADY = 0.25
"""Of the spread between positions: what one position says is mostly decided by where it is."""

LOOKED_FOR = Claim(
    "k-circuit-exceptions",
    "Seen through the matching head, the second half is looked for and the first half is not.",
    "positions with the other sign",
    f"at most {MOST} of each half",
    "H0.0's value is used as a key in H1.0; H1.0 queries for positions where the property is broken",
    TEXT,
)
LOOKED_FOR_BY_MEAN = Claim(
    "k-circuit-exceptions-mean-query",
    "So it is by the mean query.",
    LOOKED_FOR.unit,
    LOOKED_FOR.expected,
)
HEARD = Claim(
    "v-circuit-exceptions",
    "Seen through the matching head, the second half is heard as “not palindrome” and the first half is not.",
    LOOKED_FOR.unit,
    LOOKED_FOR.expected,
    "we expect indices 1-10 to map to negative values and indices 11-20 to positive values",
    TEXT,
)
SAYS_MORE = Claim(
    "outputs-gap",
    "What the matching head writes says more for “not palindrome” where there is none.",
    "mean of the one class minus the other's",
    "more than 0",
    "this looks pretty reasonable, even though we averaged over the sequence position",
    TEXT,
)
PLACE = Claim(
    "values-spread",
    "What a position says through the two heads depends little on the number that stands there.",
    "spread over inputs as a share of the spread over positions",
    f"at most {STEADY:g}",
    "W_OV of H0.0 is detecting if the sequence position is in the first half or second half",
    TEXT,
)


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
        missing = (LOOKED_FOR.missing(pair), LOOKED_FOR_BY_MEAN.missing(pair))
        return Section("key-circuit", question, text, missing)
    writer, reader = pair
    model, small = subject.model, subject.small
    published = k_circuit(model, writer, reader, position_query(model, reader, END_POSITION))
    mean = k_circuit(model, writer, reader, mean_query(model, small, reader, END_POSITION))
    findings = (
        _signs(LOOKED_FOR, _wrong_signs(published)),
        _signs(LOOKED_FOR_BY_MEAN, _wrong_signs(mean)),
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
        return Section("value-circuit", question, text, (HEARD.missing(pair),))
    writer, reader = pair
    values = v_circuit(subject.model, writer, reader, subject.direction.vector)
    chart = position_points(values[None].numpy(), range(len(values)), KINDS, "towards “not palindrome”")
    caption = f"Position embeddings through the OV of head {writer}, then of head {reader}."
    finding = _signs(HEARD, _wrong_signs(values))
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
    if isinstance(pair, str):
        return Section("outputs", question, text, (SAYS_MORE.missing(pair), PLACE.missing(pair)))
    writer, reader = pair
    small, along = subject.small, subject.direction.vector
    out = outputs_through(subject.model, small, writer, reader, along)
    values = values_through(subject.model, small, writer, reader, along)[:, 1:END_POSITION]
    other, palindrome = (out[small.labels == label].mean(1) for label in (0, 1))
    deviation = values.std(0).mean().item()
    between = values.mean(0).std().item()
    gap = (other.mean() - palindrome.mean()).item()
    findings = (
        SAYS_MORE.found(gap, gap > 0),
        PLACE.found(
            deviation / between,
            deviation / between <= STEADY,
            reason=f"a standard deviation of {deviation:.4f} over inputs on average",
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


def _signs(claim: Claim, wrong: list[int]) -> Finding:
    """The positions with the wrong sign: not too many in either half."""
    most = max(len([position for position in wrong if position in half]) for half in (FIRST, SECOND))
    return claim.found(list(wrong), most <= MOST)
