"""Where is the share of “(” computed: which head tallies brackets, and how evenly does it look?"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from algoscope.analysis.patterns import (
    Split,
    attention_with_queries_of,
    evenness,
    pattern_with_mean_keys,
    split_by_order,
)
from algoscope.figures.bars import lines_by_position
from algoscope.figures.patterns import attention_panels
from algoscope.model.head import Head, every_head
from algoscope.questions.study import Finding, Illustration, Section
from algoscope.questions.tested import Claim
from algoscope.stories.brackets.subject import NO_TALLY, Subject
from algoscope.tasks.bracket_strings import LONGEST
from algoscope.tasks.brackets import PAD, Brackets

EVEN = 0.1
"""Share of the attention over a suffix that may have to move for it to count as roughly uniform."""
SMALL = 0.05
"""What "almost zero" may mean of all attention to what comes before."""
MOST = 0.9
"""Of the query positions: what "most" has to mean at least of a rule with a few exceptions."""
QUERIES = range(1, LONGEST + 1)

UNIFORM = Claim(
    "query-uniformity",
    "From the position that the elevation head reads, the tally head looks at all others almost evenly.",
    "entropy, as a share of the largest possible",
    "at least 0.99",
    "query position 1 is attending approximately uniformly to all key positions",
)
EXACTLY = Claim(
    "query-exactly-uniform",
    "That attention is exactly even but for a tenth.",
    "largest attention over smallest, among brackets",
    "at most 1.1: “almost exactly”",
    "the attention pattern is almost exactly uniform over all tokens",
)
BEFORE = Claim(
    "tally-before-almost-zero",
    "Most queries give almost no attention to the tokens before them.",
    "share of query positions",
    f"at least {MOST:g} of the positions give at most {SMALL:g} to all tokens before them together",
    "most query tokens pay almost zero attention to all the tokens that come before it",
)
AFTER = Claim(
    "tally-after-uniform",
    "Over the tokens after the query, attention is roughly uniform.",
    "share of query positions",
    f"at {MOST:g} of the positions or more, at most {EVEN:g} of the attention to the suffix would have "
    "to move",
    "For most query token positions, this attention paid to tokens after itself is roughly uniform",
)
PATCHES = Claim(
    "tally-uneven-later",
    "Where attention to the suffix is not uniform, it is mostly so at later positions.",
    "mean position of the uneven queries",
    "above the middle of the sequence",
    "there are a few patches (especially for later query positions)",
)
PRONOUNCED = Claim(
    "tally-less-pronounced-for-close",
    "With “)” as the query, less attention goes to what comes after.",
    "attention after, with “(” and with “)” as queries",
    "less with “)”",
    "although the pattern is less pronounced",
)
CLAIMS = (UNIFORM, EXACTLY, BEFORE, AFTER, PATCHES, PRONOUNCED)
TEXT_ABOVE = (
    "A head that looks evenly at all brackets and writes opposite vectors for “(” and “)” writes their "
    "difference, divided by how many it looked at. To see how its queries look at positions, whatever the "
    "brackets there, all keys are replaced by the mean of their values on forty “(” and on forty “)”. "
    "Then, on "
    "balanced strings of forty brackets, only the queries are replaced by those of forty “(”."
)


def tally_attention(subject: Subject) -> Section:
    """How does the tally head look?"""
    question = "How does the head that tallies look at the brackets?"
    found, read = subject.tally.tally, subject.read
    if found is None or read is None:
        missing = tuple(claim.missing(subject.tally.reason or NO_TALLY) for claim in CLAIMS)
        return Section("tally-attention", question, TEXT_ABOVE, missing)
    left, right = Brackets().encode(["(" * LONGEST, ")" * LONGEST])
    head = found.head
    opening = pattern_with_mean_keys(subject.model, left, right, head.layer)
    closing = pattern_with_mean_keys(subject.model, right, left, head.layer)
    splits = [split_by_order(pattern[head.index], QUERIES) for pattern in (opening, closing)]
    patched = _patched(subject, head, read)
    return Section(
        "tally-attention",
        question,
        TEXT_ABOVE,
        (*_even(patched, head, read), *_order(splits[0]), _pronounced(*splits)),
        (
            _patterns(subject, head.layer, {"“(”": opening, "“)”": closing}),
            _suffixes(splits),
            *_patched_lines(patched, head, read),
        ),
    )


def _patched(subject: Subject, head: Head, read: int) -> Tensor | None:
    """Attention of the layer's heads with queries of “(”, over balanced strings of full length, if any."""
    full = (subject.examples.tokens != PAD).all(1) & (subject.examples.labels == 1)
    if not full.any():
        return None
    left = Brackets().encode(["(" * LONGEST])[0]
    return attention_with_queries_of(subject.model, subject.examples[full], left, head.layer, read).mean(0)


def _even(patched: Tensor | None, head: Head, read: int) -> tuple[Finding, Finding]:
    if patched is None:
        reason = f"there is no balanced string of {LONGEST} brackets"
        return UNIFORM.missing(reason), EXACTLY.missing(reason)
    over_all, brackets = evenness(patched[head.index]), evenness(patched[head.index, 1 : LONGEST + 1])
    return (
        UNIFORM.found(
            over_all.entropy,
            over_all.entropy >= 0.99,
            f"From position {read}, head {head} looks almost evenly at all {patched.shape[1]} positions, "
            "when the query is that of “(”.",
        ),
        EXACTLY.found(brackets.max_over_min, brackets.max_over_min <= 1.1),
    )


def _order(split: Split) -> tuple[Finding, Finding, Finding]:
    """On the queries of "("."""
    before = (split.before <= SMALL).double().mean().item()
    # The last query has nothing after it but [end].
    uneven = [query for query, suffix in zip(split.query, split.suffix, strict=True) if suffix.moved > EVEN]
    even = 1 - len(uneven) / len(split.query)
    middle = (split.query[0] + split.query[-1]) / 2
    patches = (
        PATCHES.found(
            sum(uneven) / len(uneven), sum(uneven) / len(uneven) > middle, reason=f"uneven: {uneven}"
        )
        if uneven
        else PATCHES.missing("attention to the suffix is roughly uniform at all positions")
    )
    return BEFORE.found(before, before >= MOST), AFTER.found(even, even >= MOST), patches


def _pronounced(opening: Split, closing: Split) -> Finding:
    after = [opening.after.mean().item(), closing.after.mean().item()]
    return PRONOUNCED.found([*after], after[1] < after[0])


def _patterns(subject: Subject, layer: int, patterns: dict[str, Tensor]) -> Illustration:
    """Both heads' patterns for both kinds of query."""
    labels = ["start", *map(str, range(1, LONGEST + 1)), "end"]
    panels = {
        f"head {head}, query {bracket}": pattern[head.index].numpy()
        for bracket, pattern in patterns.items()
        for head in every_head(subject.model.config)
        if head.layer == layer
    }
    return Illustration(
        attention_panels(panels, labels),
        f"Attention of the heads of layer {layer} with averaged keys. What a tally needs is a triangle: "
        "each query "
        "looks at all that comes after it, evenly.",
    )


def _suffixes(splits: list[Split]) -> Illustration:
    lines = {
        "“(” as the query": np.array([suffix.moved for suffix in splits[0].suffix]),
        "“)” as the query": np.array([suffix.moved for suffix in splits[1].suffix]),
    }
    figure = lines_by_position(lines, list(splits[0].query), ("query position", "attention to move"), EVEN)
    return Illustration(
        figure,
        "How uneven the tally head's attention is over the suffix: the share of it that would have to "
        "move to make "
        f"it uniform. Up to {EVEN:g} (dashed) counts as roughly uniform.",
    )


def _patched_lines(patched: Tensor | None, head: Head, read: int) -> tuple[Illustration, ...]:
    if patched is None:
        return ()
    lines = {f"head {Head(head.layer, index)}": row.numpy() for index, row in enumerate(patched)}
    positions = list(range(patched.shape[1]))
    even = 1 / len(positions)
    figure = lines_by_position(lines, positions, ("position that is read", "mean attention"), even)
    caption = (
        f"Mean attention from position {read} over balanced strings of {LONGEST} brackets, with the "
        "queries of "
        "forty “(” put in. Dashed: what exactly uniform attention would give."
    )
    return (Illustration(figure, caption),)
