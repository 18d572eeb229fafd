"""Where does the reading head look from END, and what does it ask for?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.through import position_query, queries
from algoscope.figures.positions import attention_of_examples
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Mean, Source, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.questions.study import Illustration, Section, Table
from algoscope.questions.tested import Claim
from algoscope.stories.palindromes.subject import (
    NO_READING,
    TEXT,
    Subject,
    answer_attention,
)
from algoscope.tasks.palindromes import END_POSITION, HALF
from algoscope.tasks.task import Examples

SHARP = 0.5
"""More than everything else together."""
NO_LOSS = 0.01
"""In nats: the answer's odds change by a hundredth."""
LITTLE = 0.1
"""Share of attention."""
LOSS = 0.1
"""In nats."""
ALIKE = 0.9
"""Cosine with the mean query."""
EACH = 3

OFFENDING = Claim(
    "offending-attention",
    "Where the sequence is no palindrome, the reading head looks at the offending numbers.",
    "mean share of its attention",
    f"at least {SHARP:g}",
    "the pattern is sharply concentrated on the tokens which cause the string not to be a palindrome",
    TEXT,
)
DIFFUSE = Claim(
    "palindrome-attention",
    "Where it is a palindrome, the reading head spreads its attention.",
    "mean largest weight",
    f"less than {SHARP:g}",
    "for palindromes, the attention pattern is approximately diffuse across many tokens",
    TEXT,
)
FIRST_HALF = Claim(
    "first-half-attention",
    "The earlier members of broken pairs are not looked at.",
    "mean share of its attention",
    f"at most {LITTLE:g}",
)
NEEDED = Claim(
    "query-zero-ablation",
    "The reading head's queries matter.",
    "rise of the loss in nats",
    f"at least {LOSS:g}",
    "H1.0's q values are important, since ablating them elevates loss",
    TEXT,
)
ONE_FOR_ALL = Claim(
    "query-mean-ablation",
    "The mean query does as well as each input's own.",
    "rise of the loss in nats",
    f"at most {NO_LOSS:g}",
    "mean ablating them did not impact the loss",
    TEXT,
)
SAME = Claim(
    "query-alike",
    "Every input's query points the same way as their mean.",
    "smallest cosine with the mean query",
    f"at least {ALIKE:g}",
    "H1.0's q values are roughly the same for every input",
    TEXT,
)
POSITION = Claim(
    "query-position",
    "The mean query is the one that END's position embedding makes.",
    "cosine",
    f"at least {ALIKE:g}",
    "the left expression is a constant vector: the mean query direction we found above",
    TEXT,
)


def attention(subject: Subject) -> Section:
    """Does the reading head look at what is wrong?"""
    question = "Does the reading head look at what is wrong?"
    text = (
        "The last position is where the answer is read, so only its attention matters in the last layer. "
        "If the reading head looks for faults, it should look everywhere a little where there is none, "
        "and at the offending numbers where there is one: those of the second half that differ from their "
        "mirror images, as the first half can't know yet. Measured on the published 500 sequences."
    )
    head = subject.reader
    if head is None:
        missing = tuple(claim.missing(NO_READING) for claim in (OFFENDING, DIFFUSE, FIRST_HALF))
        return Section("reading-attention", question, text, missing)
    rows, examples = answer_attention(subject, head), subject.published
    offending = examples.concepts["mismatch"].clone()
    offending[:, : HALF + 1] = False
    broken = examples.labels == 0
    share = (rows * offending).sum(1)
    on_faults = share[broken].mean().item()
    largest = rows[~broken].amax(1).mean().item()
    first_half = _first_half(rows, examples)
    findings = (
        OFFENDING.found(on_faults, on_faults >= SHARP),
        DIFFUSE.found(largest, largest < SHARP),
        FIRST_HALF.found(first_half, first_half <= LITTLE),
    )
    return Section(
        "reading-attention",
        question,
        text,
        findings,
        (_bars(subject, head),),
        (_by_count(share, examples),),
    )


def asking(subject: Subject) -> Section:
    """Is the reading head's question always the same?"""
    question = "Does the reading head always ask the same?"
    text = (
        "The query at END decides what the reading head looks for. If replacing it by its mean over "
        "inputs costs nothing while replacing it by zero does, it is one question for all inputs, and the "
        "mean query is what to look at. Both are done at every position, on the published 100 sequences."
    )
    head = subject.reader
    if head is None:
        claims = (NEEDED, ONE_FOR_ALL, SAME, POSITION)
        return Section("queries", question, text, tuple(claim.missing(NO_READING) for claim in claims))
    zero, mean = (_rise(subject, head, "q", source) for source in (Zero(), Mean()))
    asked = queries(subject.model, subject.small, head, END_POSITION)
    alike = functional.cosine_similarity(asked, asked.mean(0, keepdim=True)).min().item()
    alone = position_query(subject.model, head, END_POSITION)
    cosine = functional.cosine_similarity(alone, asked.mean(0), dim=0).item()
    findings = (
        NEEDED.found(zero, zero >= LOSS),
        ONE_FOR_ALL.found(mean, mean <= NO_LOSS),
        SAME.found(alike, alike >= ALIKE),
        POSITION.found(cosine, cosine >= ALIKE),
    )
    return Section("queries", question, text, findings)


def _first_half(rows: Float[Tensor, "batch key"], examples: Examples) -> float:
    """The mean share of attention on the earlier members of broken pairs."""
    early = examples.concepts["mismatch"].clone()
    early[:, HALF + 1 :] = False
    return (rows * early).sum(1)[examples.labels == 0].mean().item()


def _bars(subject: Subject, head: Head) -> Illustration:
    """The first palindromes and the first other sequences of the published 100."""
    examples = subject.small
    rows = torch.cat([(examples.labels == label).nonzero()[:EACH, 0] for label in (1, 0)])
    site = head.site("hook_pattern")
    _, cache = subject.model.run_with_cache(examples.tokens[rows].to(subject.model.W_E.device), [site])
    words = subject.seen.task.vocabulary
    chart = attention_of_examples(
        cache[site][:, head.index, END_POSITION].cpu().numpy(),
        [[words[token] for token in tokens] for tokens in examples.tokens[rows].tolist()],
        examples.concepts["mismatch"][rows].tolist(),
        [subject.seen.task.classes[label] for label in examples.labels[rows].tolist()],
    )
    caption = (
        f"Attention of head {head} from END on three palindromes and three other sequences. Numbers that "
        "differ from their mirror images are red."
    )
    return Illustration(chart, caption)


def _by_count(share: Float[Tensor, "batch"], examples: Examples) -> Table:
    count = examples.concepts["n_mismatches"]
    rows = tuple(
        (wanted, int((count == wanted).sum()), share[count == wanted].mean().item())
        for wanted in sorted(set(count.tolist()) - {0})
    )
    caption = "Share of the reading head's attention on offending numbers of the second half."
    return Table(("mismatched pairs", "sequences", "mean share"), rows, caption)


def _rise(subject: Subject, head: Head, letter: str, source: Source) -> float:
    """How much the loss on the published 100 rises if a head's queries, keys or values are replaced."""
    change = Intervention(head.site(f"hook_{letter}"), source, head=head.index)
    found = sweep(subject.model, subject.small, [change], loss)
    return (found.values[0] - found.clean).item()
