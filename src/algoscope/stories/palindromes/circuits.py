"""What does the reading head see of what the matching head wrote, position by position?"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.composition import composition
from algoscope.analysis.through import (
    k_circuit,
    mean_query,
    outputs_through,
    position_query,
    v_circuit,
    values_through,
)
from algoscope.figures.positions import position_points
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.subject import TEXT, Subject, subject
from algoscope.tasks.palindromes import END_POSITION, HALF

FIRST, SECOND = range(1, HALF + 1), range(HALF + 1, 2 * HALF + 1)
NUMBERS = {"first half": tuple(FIRST), "second half": tuple(SECOND)}
KINDS = {"START and END": (0, END_POSITION), **NUMBERS}
SHOWN = 100
"""Examples whose values are drawn."""
LEAST_Z = 3
"""Of the standard deviations of random matrices' scores: by chance, one score in about 700."""
Z = "standard deviations above random matrices"
SIGNS = "positions with the other sign, in the half that has more of them"

KEYS = Claim(
    "composition-k",
    "What the matching head writes is read by the reading head's keys.",
    Z,
    at_least(LEAST_Z),
    TEXT,
    "H0.0 and H1.0 interact through K-composition",
)
VALUES = Claim(
    "composition-v",
    "What the matching head writes is read by the reading head's values.",
    Z,
    at_least(LEAST_Z),
    TEXT,
    "H0.0 and H1.0 interact through V-composition",
)
QUERIES = Claim(
    "composition-q",
    "What the matching head writes is read by the reading head's queries.",
    Z,
    at_least(LEAST_Z),
    TEXT,
    "H0.0's OV output space overlaps significantly with H1.0's Q input space",
)
NO_OTHERS = Claim(
    "composition-others",
    "No head but the matching head composes with a later one, and it with no head but the reading head.",
    f"other compositions {LEAST_Z} standard deviations above random matrices",
    at_most(0),
    TEXT,
    "None of the other input/output spaces have significant overlap.",
)
LOOKED_FOR = Claim(
    "k-circuit-exceptions",
    "Seen through the matching head, END's position looks for the second half and not for the first.",
    SIGNS,
    at_most(3),
    TEXT,
    'The last sequence position attends to keys that indicate a "problematic token,"',
)
LOOKED_FOR_BY_MEAN = Claim(
    "k-circuit-exceptions-mean-query", "So does the mean query.", SIGNS, at_most(3)
)
HEARD = Claim(
    "v-circuit-exceptions",
    "Seen through the matching head, the second half is heard as “not palindrome” and the first half is not.",
    SIGNS,
    at_most(3),
    TEXT,
    "we expect indices 1-10 to map to negative values (resulting in a vote for 'palindrome'), and indices "
    "11-20 to map to positive values (resulting in a vote for 'non-palindrome')",
)
SAYS_MORE = Claim(
    "outputs-gap",
    "What the matching head writes, moved by the reading head, says more for “not palindrome” where there "
    "is none.",
    "standard deviations between the classes",
    at_least(1),
    TEXT,
    'H1.0 maps this value to a direction which shifts the logit difference in the "non-palindrome" direction.',
)
PLACE = Claim(
    "values-spread",
    "What a position says through the two heads depends little on the number that stands there.",
    "spread over inputs as a share of the spread over positions",
    at_most(0.25, "it is mostly decided by where the position is"),
    TEXT,
    "$W_{OV}^{0.0}$ is detecting if the sequence position is in the first half or second half.",
)


def composing(seen: Seen) -> Section:
    """Does the reading head read what the matching head wrote?"""
    own = subject(seen)
    question = "Does the reading head read what the matching head wrote, and as what?"
    text = (
        "A composition score compares what one head writes with what a later head's queries, keys or values "
        "read, from the weights alone; random matrices of these sizes give a score too. The text's summary "
        "names queries where its conclusion names keys."
    )
    claims = {"K": KEYS, "V": VALUES, "Q": QUERIES}
    if own.lacks:
        return Section("composing", question, text, all_missing((*claims.values(), NO_OTHERS), own.lacks))
    found = composition(own.model)
    findings = []
    for kind, claim in claims.items():
        score = found.score(kind, *own.circuit)
        said = f"score {score:.4f}, of random matrices {found.baseline.mean:.4f} ± {found.baseline.std:.4f}"
        findings.append(claim.measured(found.baseline.z(score), said))
    others = [(kind, *pair) for kind, *pair in found.composing(LEAST_Z) if tuple(pair) != own.circuit]
    named = ", ".join(f"{kind}: {writer} into {reader}" for kind, writer, reader in others)
    findings.append(NO_OTHERS.measured(len(others), named))
    return Section("composing", question, text, tuple(findings))


def key_circuit(seen: Seen) -> Section:
    """Does the reading head look harder where the matching head looked at the second half?"""
    own = subject(seen)
    question = "Which positions, seen through the matching head, does the reading head look for?"
    text = (
        "K-composition along one line: a position embedding is moved by the matching head and read by the "
        "reading head's keys, and the query is the one at END. A later number that matches its mirror "
        "image carries its position, one of the first half; a number that doesn't carries its own. So the "
        "first half should be negative and the second positive. The upper panel's query is made of END's "
        "position embedding alone, as published; the lower one's is the mean query."
    )
    if own.lacks:
        missing = all_missing((LOOKED_FOR, LOOKED_FOR_BY_MEAN), own.lacks)
        return Section("key-circuit", question, text, missing)
    writer, reader = own.circuit
    asked = (
        position_query(own.model, reader, END_POSITION),
        mean_query(own.model, own.examples, reader, END_POSITION),
    )
    alone, mean = (k_circuit(own.model, writer, reader, query) for query in asked)
    findings = (_signs(LOOKED_FOR, alone), _signs(LOOKED_FOR_BY_MEAN, mean))
    caption = f"How much head {reader} looks at each position for what head {writer} moved out of it"
    figures = (
        _points(alone, KINDS, "score", f"{caption}; the query is END's position embedding."),
        _points(mean, KINDS, "score", f"{caption}; the query is the mean one."),
    )
    return Section("key-circuit", question, text, findings, figures)


def value_circuit(seen: Seen) -> Section:
    """Does what is found there say "not palindrome"?"""
    own = subject(seen)
    question = "What does a position, moved by both heads, say about the answer?"
    text = (
        "V-composition along the direction of the answer: a position embedding is moved by the matching "
        "head, then by the reading head. First-half positions should say “palindrome”, second-half "
        "positions “not palindrome”. Where they don't, a mismatch can't be told in this way; the text says "
        "that of positions 1, 2, 4 and 17, 19, 20 of the public model."
    )
    if own.lacks:
        return Section("value-circuit", question, text, (HEARD.missing(own.lacks),))
    writer, reader = own.circuit
    values = v_circuit(own.model, writer, reader, own.direction.vector)
    caption = f"Position embeddings through the OV of head {writer}, then of head {reader}."
    figure = _points(values, KINDS, "towards “not palindrome”", caption)
    return Section("value-circuit", question, text, (_signs(HEARD, values),), (figure,))


def outputs(seen: Seen) -> Section:
    """Does the same hold on real inputs?"""
    own = subject(seen)
    question = "Does what the matching head really writes speak for the answer?"
    text = (
        "The same on the examples, numbers included. First the matching head's output through the reading "
        "head's OV, averaged over all positions, by class. Then its value at each position alone, which is "
        "what it writes there when it looks at that position itself."
    )
    if own.lacks:
        return Section("outputs", question, text, all_missing((SAYS_MORE, PLACE), own.lacks))
    through = own.model, own.examples, *own.circuit, own.direction.vector
    averaged = outputs_through(*through).mean(1)
    values = values_through(*through)[:, 1:END_POSITION]
    other, palindrome = (averaged[own.examples.labels == label] for label in (0, 1))
    spread = ((other.var() + palindrome.var()) / 2).sqrt()
    gap = (other.mean() - palindrome.mean()).item()
    deviation, between = values.std(0).mean().item(), values.mean(0).std().item()
    findings = (
        SAYS_MORE.measured(gap / spread.item(), f"{gap:+.3f} on average")
        if spread > 0
        else SAYS_MORE.missing("it says the same on all examples of a class, or there is only one"),
        PLACE.measured(deviation / between, f"a standard deviation of {deviation:.4f} over inputs on average"),
    )
    return Section("outputs", question, text, findings, (_all_values(own, values),), (_by_class(averaged, own),))


def _signs(claim: Claim, values: Float[Tensor, "position"]) -> Finding:
    """The positions with the wrong sign: not too many in either half."""
    wrong = [[p for p in FIRST if values[p] >= 0], [p for p in SECOND if values[p] <= 0]]
    return claim.measured(max(map(len, wrong)), f"wrong are {', '.join(map(str, sum(wrong, []))) or 'none'}")


def _points(
    values: Float[Tensor, "position"], kinds: dict[str, tuple[int, ...]], measure: str, caption: str
) -> Illustration:
    return Illustration(position_points(values[None].numpy(), range(len(values)), kinds, measure), caption)


def _all_values(own: Subject, values: Float[Tensor, "batch position"]) -> Illustration:
    writer, reader = own.circuit
    chart = position_points(
        values[:SHOWN].numpy(), range(1, END_POSITION), NUMBERS, "towards “not palindrome”"
    )
    caption = f"The value of head {writer} at each position through head {reader}, on {SHOWN} examples."
    return Illustration(chart, caption)


def _by_class(averaged: Float[Tensor, "batch"], own: Subject) -> Table:
    groups = own.seen.groups
    rows = tuple(
        (name, int(mask.sum()), averaged[mask].mean().item(), averaged[mask].std().item())
        for name, mask in groups.items()
        if mask.sum() > 1
    )
    caption = "The matching head's output through the reading head, averaged over positions."
    return Table(("class", "examples", "mean", "std"), rows, caption)
