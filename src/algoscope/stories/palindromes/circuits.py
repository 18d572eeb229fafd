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
from algoscope.questions.study import Illustration, Section
from algoscope.stories.palindromes.subject import TEXT, subject
from algoscope.tasks.palindromes import END_POSITION, HALF

FIRST, SECOND = range(1, HALF + 1), range(HALF + 1, 2 * HALF + 1)
NUMBERS = {"first half": tuple(FIRST), "second half": tuple(SECOND)}
KINDS = {**NUMBERS, "START and END": (0, END_POSITION)}
TOWARDS = "towards “not palindrome” (logits × the final norm's scale)"
SHOWN = 100
"""Examples whose values are drawn."""
LEAST_Z = 3
"""Of the standard deviations of random matrices' scores: by chance, one score in about 700."""
Z = "standard deviations above random matrices"
SIGNS = "positions with the other sign, in the half that has more of them"

KEYS = Claim(
    "composition-k", "What the matching head writes is read by the reading head's keys.",
    Z, at_least(LEAST_Z), TEXT,
    "H0.0 and H1.0 interact through K-composition",
)  # fmt: skip
VALUES = Claim(
    "composition-v", "What the matching head writes is read by the reading head's values.",
    Z, at_least(LEAST_Z), TEXT,
    "H0.0 and H1.0 interact through V-composition",
)  # fmt: skip
QUERIES = Claim(
    "composition-q", "What the matching head writes is read by the reading head's queries.",
    Z, at_least(LEAST_Z), TEXT,
    "H0.0's OV output space overlaps significantly with H1.0's Q input space",
)  # fmt: skip
NO_OTHERS = Claim(
    "composition-others",
    "No head but the matching head composes with a later one, and it with no head but the reading head.",
    f"other compositions {LEAST_Z} standard deviations above random matrices", at_most(0), TEXT,
    "None of the other input/output spaces have significant overlap.",
)  # fmt: skip
LOOKED_FOR = Claim(
    "k-circuit-exceptions",
    "Seen through the matching head, END's position looks for the second half and not for the first.",
    SIGNS, at_most(3), TEXT,
    'The last sequence position attends to keys that indicate a "problematic token,"',
)  # fmt: skip
LOOKED_FOR_BY_MEAN = Claim(
    "k-circuit-exceptions-mean-query",
    "Seen through the matching head, the mean query looks for the second half and not for the first.",
    SIGNS, at_most(3),
)  # fmt: skip
HEARD = Claim(
    "v-circuit-exceptions",
    "Seen through the matching head, the second half is heard as “not palindrome” and the first half is not.",
    SIGNS, at_most(3), TEXT,
    "we expect indices 1-10 to map to negative values (resulting in a vote for 'palindrome'), and indices "
    "11-20 to map to positive values (resulting in a vote for 'non-palindrome')",
)  # fmt: skip
SAYS_MORE = Claim(
    "outputs-gap",
    "What the matching head writes, moved by the reading head, says more for “not palindrome” where there "
    "is none.",
    "standard deviations between the classes", at_least(1), TEXT,
    'H1.0 maps this value to a direction which shifts the logit difference in the "non-palindrome" '
    'direction.',
)  # fmt: skip
PLACE = Claim(
    "values-spread",
    "What a position says through the two heads depends little on the number that stands there.",
    "spread over inputs as a share of the spread over positions",
    at_most(0.25, "it is mostly decided by where the position is"), TEXT,
    "$W_{OV}^{0.0}$ is detecting if the sequence position is in the first half or second half.",
)  # fmt: skip


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


def through(seen: Seen) -> Section:
    """Does the reading head look for, and hear, what the matching head moved out of the second half?"""
    own = subject(seen)
    question = "What does the reading head make of each position, seen through the matching head?"
    text = (
        "A position embedding is moved by the matching head and read by the reading head's keys (the query "
        "is the one at END), or moved on by its values towards the answer. A later number that matches its "
        "mirror image carries its position, one of the first half; a number that doesn't carries its own. So "
        "the first half should be negative and the second positive: looked for, and heard as “not "
        "palindrome”. Where the sign is wrong, a mismatch can't be told in this way; the text says that of "
        "positions 1, 2, 4 and 17, 19, 20 of the public model."
    )
    if own.lacks:
        missing = all_missing((LOOKED_FOR, LOOKED_FOR_BY_MEAN, HEARD), own.lacks)
        return Section("circuits", question, text, missing)
    writer, reader = own.circuit
    asked = (
        position_query(own.model, reader, END_POSITION),
        mean_query(own.model, own.examples, reader, END_POSITION),
    )
    alone, mean = (k_circuit(own.model, writer, reader, query) for query in asked)
    values = v_circuit(own.model, writer, reader, own.direction.vector)
    findings = (_signs(LOOKED_FOR, alone), _signs(LOOKED_FOR_BY_MEAN, mean), _signs(HEARD, values))
    drawn = (
        (alone, "score before the softmax", "Keys: what END's position embedding, as published, looks for."),
        (mean, "score before the softmax", "Keys: what the mean query looks for."),
        (values, TOWARDS, "Values: what each position says about the answer."),
    )
    figures = tuple(
        Illustration(position_points(row[None].numpy(), range(len(row)), KINDS, measure), caption)
        for row, measure, caption in drawn
    )
    return Section("circuits", question, text, findings, figures)


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
    along = own.model, own.examples, *own.circuit, own.direction.vector
    averaged = outputs_through(*along).mean(1)
    values = values_through(*along)[:, 1:END_POSITION]
    other, palindrome = (averaged[own.examples.labels == label] for label in (0, 1))
    spread = ((other.var() + palindrome.var()) / 2).sqrt()
    gap = (other.mean() - palindrome.mean()).item()
    deviation, between = values.std(0).mean().item(), values.mean(0).std().item()
    findings = (
        SAYS_MORE.measured(gap / spread.item(), f"{gap:+.3f} on average")
        if spread > 0
        else SAYS_MORE.missing("it says the same on all examples of a class, or there is only one"),
        PLACE.measured(
            deviation / max(between, 1e-12),
            f"a standard deviation of {deviation:.4f} over inputs on average",
        ),
    )
    chart = position_points(values[:SHOWN].numpy(), range(1, END_POSITION), NUMBERS, TOWARDS)
    figure = Illustration(chart, f"The value at each position through both heads, on {SHOWN} examples.")
    return Section("outputs", question, text, findings, (figure,))


def _signs(claim: Claim, values: Float[Tensor, "position"]) -> Finding:
    """The positions with the wrong sign: not too many in either half."""
    first = [position for position in FIRST if values[position] >= 0]
    second = [position for position in SECOND if values[position] <= 0]
    wrong = ", ".join(map(str, first + second))
    said = f"wrong at {wrong}" if wrong else "wrong at none"
    return claim.measured(max(len(first), len(second)), said)
