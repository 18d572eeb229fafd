"""Where is the share of “(” computed: how evenly does the head that tallies look at the brackets?"""

from __future__ import annotations

from jaxtyping import Float
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
from algoscope.questions.bound import at_least, at_most, more_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.subject import TEXT, Reader, Subject, subject_of
from algoscope.tasks.bracket_strings import LONGEST
from algoscope.tasks.brackets import PAD, Brackets

EVEN = 0.1
"""Share of the attention over a suffix that may have to move for it to count as roughly uniform."""
SMALL = 0.05
"""What "almost zero" may mean of all attention to what comes before."""
MOST = at_least(0.9, "what “most” has to mean of a rule with a few exceptions")
QUERIES = range(1, LONGEST + 1)

# fmt: off
UNIFORM = Claim(
    "query-uniformity",
    "From the position that the elevation head reads, the tally head looks at all others almost evenly.",
    "entropy, as a share of the largest possible", at_least(0.99), TEXT,
    "query position 1 is attending approximately uniformly to all key positions")
EXACTLY = Claim(
    "query-exactly-uniform", "That attention is exactly even but for a tenth.",
    "largest attention over smallest, among brackets", at_most(1.1, "“almost exactly”"), TEXT,
    "the attention pattern is almost exactly uniform over all tokens")
BEFORE = Claim(
    "tally-before-almost-zero",
    f"Most queries give the tokens before them almost no attention: at most {SMALL:g} together.",
    "share of query positions", MOST, TEXT,
    "most query tokens pay almost zero attention to all the tokens that come before it")
AFTER = Claim(
    "tally-after-uniform",
    "Over the tokens after the query, most queries' attention is roughly uniform: at most "
    f"{EVEN:g} of it would have to move.",
    "share of query positions", MOST, TEXT,
    "For most query token positions, this attention paid to tokens after itself is roughly uniform")
PATCHES = Claim(
    "tally-uneven-later",
    "Where attention to the suffix is not uniform, it is mostly so at later positions.",
    "of the way through the string, mean over the uneven queries", more_than(0.5), TEXT,
    "there are a few patches (especially for later query positions)")
PRONOUNCED = Claim(
    "tally-less-pronounced-for-close",
    "With “)” as the query, less attention goes to what comes after than with “(”.",
    "attention less, mean over query positions", more_than(0), TEXT,
    "although the pattern is less pronounced")
# fmt: on
CLAIMS = (UNIFORM, EXACTLY, BEFORE, AFTER, PATCHES, PRONOUNCED)
TEXT_ABOVE = (
    "A head that looks evenly at all brackets and writes opposite vectors for “(” and “)” writes their "
    "difference, divided by how many it looked at. To see how its queries look at positions, whatever the "
    "brackets there, all keys are replaced by the mean of their values on forty “(” and on forty “)”. Then, "
    "on balanced strings of forty brackets, only the queries are replaced by those of forty “(”."
)


def tally_attention(seen: Seen) -> Section:
    """How does the tally head look?"""
    subject, question = subject_of(seen), "How does the head that tallies look at the brackets?"
    found, reader = subject.tally.tally, subject.reader
    if found is None or reader is None:
        return Section("tally-attention", question, TEXT_ABOVE, all_missing(CLAIMS, subject.tally.reason))
    left, right = Brackets().encode(["(" * LONGEST, ")" * LONGEST])
    head = found.head
    opening = pattern_with_mean_keys(subject.model, left, right, head.layer)
    closing = pattern_with_mean_keys(subject.model, right, left, head.layer)
    one, other = (split_by_order(pattern[head.index], QUERIES) for pattern in (opening, closing))
    patched = _patched(subject, head, reader)
    return Section(
        "tally-attention",
        question,
        TEXT_ABOVE,
        (*_even(patched, head, reader), *_order(one), _pronounced(one, other)),
        (_patterns(subject, head, {"“(”": opening, "“)”": closing}), *_patched_lines(patched, head, reader)),
    )


def _patched(subject: Subject, head: Head, reader: Reader) -> Float[Tensor, "head key"] | None:
    """Attention of the layer's heads with queries of “(”, over balanced strings of full length, if any."""
    full = (subject.examples.tokens != PAD).all(1) & (subject.examples.labels == 1)
    if not full.any():
        return None
    left, some = Brackets().encode(["(" * LONGEST])[0], subject.examples[full]
    return attention_with_queries_of(subject.model, some, left, head.layer, reader.read).mean(0)


def _even(patched: Tensor | None, head: Head, reader: Reader) -> tuple[Finding, ...]:
    if patched is None:
        return all_missing((UNIFORM, EXACTLY), f"there is no balanced string of {LONGEST} brackets")
    brackets = patched[head.index, 1 : LONGEST + 1]
    return (
        UNIFORM.measured(
            evenness(patched[head.index]).entropy, f"head {head} from position {reader.read}, as “(”"
        ),
        EXACTLY.measured(
            evenness(brackets).max_over_min,
            f"from {brackets.min().item():.4f} to {brackets.max().item():.4f}",
        ),
    )


def _order(split: Split) -> tuple[Finding, Finding, Finding]:
    """On the queries of "("."""
    before = (split.before <= SMALL).double().mean().item()
    # The last query has nothing after it but [end].
    uneven = [query for query, suffix in zip(split.query, split.suffix, strict=True) if suffix.moved > EVEN]
    even = 1 - len(uneven) / len(split.query)
    mean = split.before.mean().item()
    patches = PATCHES.missing("attention to the suffix is roughly uniform at all positions")
    if uneven:
        first, last = split.query[0], split.query[-1]
        through = (sum(uneven) / len(uneven) - first) / (last - first)
        patches = PATCHES.measured(through, f"uneven at positions {', '.join(map(str, uneven))}")
    return (
        BEFORE.measured(before, f"on average, {mean:.2f} goes to what is before the query"),
        AFTER.measured(even, f"at {len(split.query) - len(uneven)} of {len(split.query)} positions"),
        patches,
    )


def _pronounced(opening: Split, closing: Split) -> Finding:
    one, other = opening.after.mean().item(), closing.after.mean().item()
    return PRONOUNCED.measured(one - other, f"{one:.3f} goes there with “(”, {other:.3f} with “)”")


def _patterns(subject: Subject, head: Head, patterns: dict[str, Tensor]) -> Illustration:
    """Of every head of the layer, for both kinds of query."""
    labels = ["start", *map(str, range(1, LONGEST + 1)), "end"]
    panels = {
        f"head {each}, query {bracket}": pattern[each.index].numpy()
        for bracket, pattern in patterns.items()
        for each in every_head(subject.model.config)
        if each.layer == head.layer
    }
    return Illustration(
        attention_panels(panels, labels),
        f"Attention of the heads of layer {head.layer} with averaged keys. What a tally needs is a triangle: "
        "each query looks at all that comes after it, evenly.",
    )


def _patched_lines(patched: Tensor | None, head: Head, reader: Reader) -> tuple[Illustration, ...]:
    if patched is None:
        return ()
    lines = {f"head {Head(head.layer, index)}": row.numpy() for index, row in enumerate(patched)}
    positions = list(range(patched.shape[1]))
    figure = lines_by_position(
        lines, positions, ("position that is read", "mean attention"), 1 / len(positions)
    )
    caption = (
        f"Mean attention from position {reader.read} over balanced strings of {LONGEST} brackets, with the "
        "queries of forty “(” put in. Dashed: what exactly uniform attention would give."
    )
    return (Illustration(figure, caption),)
