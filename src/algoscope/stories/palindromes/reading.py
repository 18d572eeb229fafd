"""Which head reads the verdict out at END, where does it look, and what does it ask for?"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.attribution import Contributions
from algoscope.analysis.direct import direct_contributions
from algoscope.analysis.through import position_query, queries
from algoscope.figures.positions import attention_of_examples
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Mean, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.questions.bound import Exists, at_least, at_most, less_than, more_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.roles import CRITERION
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.subject import NO_READING, TEXT, Subject, subject
from algoscope.tasks.palindromes import END_POSITION, HALF

EACH = 3
"""Examples of each class in the figure."""

READING = Claim(
    "reading-head", "One head carries the verdict to END.",
    "head", Exists(CRITERION), TEXT,
    "it is clear that the output of H1.0 directly contributes greatly to the correct answer",
)  # fmt: skip
SEPARATES = Claim(
    "reading-head-separation", "What the reading head says at END tells the two classes apart.",
    "share of pairs, one of each class, that it puts in the right order", at_least(0.95), TEXT,
    "There is a clear separation between the contributions for palindromes vs non-palindromes.",
)  # fmt: skip
EARLY = Claim(
    "early-components-gap",
    "What is written at END before the reading head's layer tells little about the class directly.",
    "norm-free logits between the classes, of the component that tells most",
    at_most(1, "less than a tenth of what separates the classes in a model that is sure"),
)  # fmt: skip
SECOND = Claim(
    "second-reader-gap", "Another head of the reading head's layer tells the classes apart too.",
    "norm-free logits between the classes", more_than(1),
)  # fmt: skip
OFFENDING = Claim(
    "offending-attention",
    "Where the sequence is no palindrome, the reading head looks at the offending numbers.",
    "mean share of its attention from END", at_least(0.5, "more than everything else together"), TEXT,
    "For non-palindromes, the attention pattern is sharply concentrated on the tokens which cause the "
    "string not to be a palindrome.",
)  # fmt: skip
DIFFUSE = Claim(
    "palindrome-attention", "Where it is a palindrome, the reading head spreads its attention.",
    "mean largest weight", less_than(0.5), TEXT,
    "For palindromes, the attention pattern is approximately diffuse across many tokens.",
)  # fmt: skip
FIRST_HALF = Claim(
    "first-half-attention", "The earlier members of broken pairs are not looked at.",
    "mean share of its attention from END", at_most(0.1),
)  # fmt: skip
NEEDED = Claim(
    "query-zero-ablation", "The reading head's queries matter: with zeros in their place the loss rises.",
    "rise of the loss in nats", at_least(0.1), TEXT,
    "H1.0's q values are important, since ablating them elevates loss.",
)  # fmt: skip
ONE_FOR_ALL = Claim(
    "query-mean-ablation", "The mean query does as well as each input's own.",
    "rise of the loss in nats", at_most(0.01, "the odds of an answer change by a hundredth"), TEXT,
    "mean ablating them did not impact the loss",
)  # fmt: skip
ALIKE = Claim(
    "query-alike", "Every input's query points the same way as their mean.",
    "smallest cosine with the mean query", at_least(0.9), TEXT,
    "H1.0's q values are roughly the same for every input",
)  # fmt: skip
POSITION = Claim(
    "query-position", "The mean query is the one that END's position embedding makes.",
    "cosine", at_least(0.9), TEXT,
    "the left expression in parentheses is a constant vector - that's the mean query direction we found "
    "above",
)  # fmt: skip


def reading_head(seen: Seen) -> Section:
    """Which head carries the verdict to END?"""
    own = subject(seen)
    pushed = direct_contributions(own.model, own.examples, own.seen.components, own.direction)
    return Section(
        "reading-head",
        "Which head carries the verdict to END?",
        "The answer is the difference of two logits, so it is a direction: the unembedding of “not "
        "palindrome” minus that of “palindrome”. The reading head is the one that pushes sequences that are "
        "no palindromes furthest along it, with the final norm linearised. The table leaves that norm out, "
        "as the text does, and keeps token and position embedding apart.",
        (_role(own), *_told(own, pushed)),
        tables=(_table(own, pushed),),
    )


def attention(seen: Seen) -> Section:
    """Does the reading head look at what is wrong?"""
    own = subject(seen)
    head, question = own.reader, "Does the reading head look at what is wrong?"
    text = (
        "The last position is where the answer is read, so only its attention matters in the last layer. "
        "If the reading head looks for faults, it should look everywhere a little where there is none, "
        "and at the offending numbers where there is one: those of the second half that differ from their "
        "mirror images, as the first half can't know yet."
    )
    if head is None:
        missing = all_missing((OFFENDING, DIFFUSE, FIRST_HALF), NO_READING)
        return Section("reading-attention", question, text, missing)
    rows, broken = own.patterns[head][:, END_POSITION], own.examples.labels == 0
    half = torch.arange(rows.shape[1]) <= HALF
    later, earlier = ((rows * (own.examples.concepts["mismatch"] & where)).sum(1) for where in (~half, half))
    findings = (
        _mean(OFFENDING, later[broken]),
        _mean(DIFFUSE, rows.amax(1)[~broken]),
        _mean(FIRST_HALF, earlier[broken]),
    )
    return Section("reading-attention", question, text, findings, (_bars(own, head),))


def asking(seen: Seen) -> Section:
    """Is the reading head's question always the same?"""
    own = subject(seen)
    head, question = own.reader, "Does the reading head always ask the same?"
    text = (
        "The query at END decides what the reading head looks for. If replacing it by its mean over "
        "inputs costs nothing while replacing it by zero does, it is one question for all inputs, and the "
        "mean query is what to look at. Both are done at every position."
    )
    if head is None:
        missing = all_missing((NEEDED, ONE_FOR_ALL, ALIKE, POSITION), NO_READING)
        return Section("queries", question, text, missing)
    changes = [Intervention(head.site("hook_q"), source, head=head.index) for source in (Zero(), Mean())]
    found = sweep(own.model, own.examples, changes, loss)
    zero, mean = (found.values - found.clean).tolist()
    asked = queries(own.model, own.examples, head, END_POSITION)
    cosines = functional.cosine_similarity(asked, asked.mean(0, keepdim=True))
    alone = position_query(own.model, head, END_POSITION)
    findings = (
        NEEDED.measured(zero, f"head {head}, {len(own.examples):,} examples"),
        ONE_FOR_ALL.measured(mean, f"head {head}, {len(own.examples):,} examples"),
        ALIKE.measured(cosines.min().item(), f"on average {cosines.mean().item():.3f}"),
        POSITION.measured(functional.cosine_similarity(alone, asked.mean(0), dim=0).item()),
    )
    return Section("queries", question, text, findings)


def _role(own: Subject) -> Finding:
    role = own.reading
    if role.push is None:
        return READING.missing(role.reason)
    said = f"head {role.head} pushes {role.push:.2f} logits" if role.head else role.reason
    return READING.measured(str(role.head or ""), said)


def _told(own: Subject, pushed: Contributions) -> tuple[Finding, ...]:
    """How well the reading head tells the classes apart, and what the other components tell."""
    if own.reader is None:
        return all_missing((SEPARATES, EARLY, SECOND), NO_READING)
    palindrome, layer = own.examples.labels == 1, own.reader.layer
    reading, gap = pushed[Component.of(own.reader)], _gap(pushed, palindrome)
    ordered = (reading[~palindrome][:, None] > reading[palindrome]).double().mean().item()
    early = max((part for part in gap if part.layer < layer), key=lambda part: abs(gap[part]))
    others = [part for part in pushed.heads if part.layer == layer and part.head != own.reader]
    second = max(others, key=lambda part: abs(gap[part]), default=None)
    return (
        SEPARATES.measured(ordered, f"head {own.reader}"),
        EARLY.measured(abs(gap[early]), f"{early.words} tells most"),
        SECOND.missing("there is no other head in its layer")
        if second is None
        else SECOND.measured(abs(gap[second]), second.words),
    )


def _gap(pushed: Contributions, palindrome: Bool[Tensor, "row"]) -> dict[Component, float]:
    """How much further each component pushes, on average, where there is no palindrome."""
    other, same = pushed.mean(~palindrome), pushed.mean(palindrome)
    return {part: other[part] - same[part] for part in pushed.parts}


def _table(own: Subject, pushed: Contributions) -> Table:
    palindrome = own.examples.labels == 1

    def cells(values: Float[Tensor, "row"]) -> tuple[float | None, ...]:
        return (values.mean().item(), values.std().item()) if len(values) > 1 else (None, None)

    rows = tuple(
        (str(part), *cells(values[~palindrome]), *cells(values[palindrome]))
        for part, values in zip(pushed.parts, pushed.values, strict=True)
    )
    columns = ("component", "not palindrome: mean", "std", "palindrome: mean", "std")
    caption = "Contributions towards “not palindrome” at END, in logits times the final norm's scale."
    return Table(columns, rows, caption)


def _mean(claim: Claim, values: Float[Tensor, "row"]) -> Finding:
    if not len(values):
        return claim.missing("there is no such example")
    return claim.measured(values.mean().item(), f"over {len(values):,} examples")


def _bars(own: Subject, head: Head) -> Illustration:
    """The first palindromes and the first other sequences."""
    rows = torch.cat([(own.examples.labels == label).nonzero()[:EACH, 0] for label in (1, 0)])
    examples, task = own.examples[rows], own.seen.task
    chart = attention_of_examples(
        own.patterns[head][rows, END_POSITION].numpy(),
        [task.words(tokens) for tokens in examples.tokens],
        examples.concepts["mismatch"].tolist(),
        [task.classes[label] for label in examples.labels.tolist()],
    )
    caption = (
        f"Attention of head {head} from END on some palindromes and some other sequences. Numbers that "
        "differ from their mirror images are red."
    )
    return Illustration(chart, caption)
