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
from algoscope.studies.palindromes.subject import (
    NO_READING,
    OURS,
    TEXT,
    Subject,
    answer_attention,
)
from algoscope.studies.study import Finding, Illustration, Section, Table
from algoscope.tasks.palindromes import END_POSITION, HALF
from algoscope.tasks.task import Examples

SHARP = 0.5
"""More than everything else together."""
NO_LOSS = 0.01
"""In nats: the answer's odds change by a hundredth."""
ALIKE = 0.9
"""Cosine with the mean query."""
EACH = 3


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
        names = ("offending-attention", "palindrome-attention", "first-half-attention")
        findings = tuple(_share(name, None) for name in names)
        return Section("reading-attention", question, text, findings)
    rows, examples = answer_attention(subject, head), subject.published
    offending = examples.concepts["mismatch"].clone()
    offending[:, : HALF + 1] = False
    broken = examples.labels == 0
    share = (rows * offending).sum(1)
    findings = (
        _share("offending-attention", share[broken].mean().item()),
        _share("palindrome-attention", rows[~broken].amax(1).mean().item()),
        _share("first-half-attention", _first_half(rows, examples)),
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
        names = ("query-zero-ablation", "query-mean-ablation", "query-alike", "query-position")
        return Section("queries", question, text, tuple(_query(name, None) for name in names))
    zero, mean = (_rise(subject, head, "q", source) for source in (Zero(), Mean()))
    asked = queries(subject.model, subject.small, head, END_POSITION)
    alike = functional.cosine_similarity(asked, asked.mean(0, keepdim=True)).min().item()
    alone = position_query(subject.model, head, END_POSITION)
    cosine = functional.cosine_similarity(alone, asked.mean(0), dim=0).item()
    findings = (
        _query("query-zero-ablation", zero),
        _query("query-mean-ablation", mean),
        _query("query-alike", alike),
        _query("query-position", cosine),
    )
    return Section("queries", question, text, findings)


def _share(identity: str, value: float | None) -> Finding:
    claim, unit, expected, quote, holds = {
        "offending-attention": (
            "Where the sequence is no palindrome, the reading head looks at the offending numbers.",
            "mean share of its attention",
            f"at least {SHARP:g}",
            "the pattern is sharply concentrated on the tokens which cause the string not to be a palindrome",
            lambda share: share >= SHARP,
        ),
        "palindrome-attention": (
            "Where it is a palindrome, the reading head spreads its attention.",
            "mean largest weight",
            f"less than {SHARP:g}",
            "for palindromes, the attention pattern is approximately diffuse across many tokens",
            lambda share: share < SHARP,
        ),
        "first-half-attention": (
            "The earlier members of broken pairs are not looked at.",
            "mean share of its attention",
            "at most 0.1",
            "",
            lambda share: share <= 0.1,
        ),
    }[identity]
    source = TEXT if quote else OURS
    if value is None:
        return Finding(identity, claim, None, unit, expected, None, source, NO_READING, quote)
    return Finding(identity, claim, value, unit, expected, holds(value), source, quote=quote)


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


def _query(identity: str, value: float | None) -> Finding:
    claim, unit, expected, quote, holds = {
        "query-zero-ablation": (
            "The reading head's queries matter.",
            "rise of the loss in nats",
            "at least 0.1",
            "H1.0's q values are important, since ablating them elevates loss",
            lambda rise: rise >= 0.1,
        ),
        "query-mean-ablation": (
            "The mean query does as well as each input's own.",
            "rise of the loss in nats",
            f"at most {NO_LOSS:g}",
            "mean ablating them did not impact the loss",
            lambda rise: rise <= NO_LOSS,
        ),
        "query-alike": (
            "Every input's query points the same way as their mean.",
            "smallest cosine with the mean query",
            f"at least {ALIKE:g}",
            "H1.0's q values are roughly the same for every input",
            lambda cosine: cosine >= ALIKE,
        ),
        "query-position": (
            "The mean query is the one that END's position embedding makes.",
            "cosine",
            f"at least {ALIKE:g}",
            "the left expression is a constant vector: the mean query direction we found above",
            lambda cosine: cosine >= ALIKE,
        ),
    }[identity]
    if value is None:
        return Finding(identity, claim, None, unit, expected, None, TEXT, NO_READING, quote)
    return Finding(identity, claim, value, unit, expected, holds(value), TEXT, quote=quote)


def _rise(subject: Subject, head: Head, letter: str, source: Source) -> float:
    """How much the loss on the published 100 rises if a head's queries, keys or values are replaced."""
    change = Intervention(head.site(f"hook_{letter}"), source, head=head.index)
    found = sweep(subject.model, subject.small, [change], loss)
    return (found.values[0] - found.clean).item()
