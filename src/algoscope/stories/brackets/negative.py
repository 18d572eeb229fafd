"""How are negative suffixes found, and what rejects a string that starts with a closing bracket?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from algoscope.analysis.attention import attention_from
from algoscope.analysis.components import decompose
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.figures.bars import grouped_bars, lines_by_position
from algoscope.interventions.families import heads
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import FromRun, Mean
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.questions.study import Finding, Illustration, Section
from algoscope.questions.tested import Claim
from algoscope.stories.brackets.circuit import diagram, fault_edges
from algoscope.stories.brackets.pairs import first_turned, with_balanced
from algoscope.stories.brackets.subject import NO_NEGATIVE, Subject, unbalanced_margin
from algoscope.tasks.brackets import CLOSE, OPEN
from algoscope.tasks.task import Examples

STRINGS = 300
PAIRS = 96
LONG = 12
"""Brackets: shorter strings have too few positions to tell some from others."""

LOOKS = Claim(
    "negative-head-attention",
    "The negative head looks at positions whose suffix is below zero.",
    "attention, against the share of positions that are such",
    "at least 0.5, and more than the share of brackets whose suffix is below zero",
)
HOLDS = Claim(
    "negative-mlps-correlation",
    "The MLPs in front of the negative head hold, at each position, whether its suffix is below zero.",
    "correlation over positions, along the direction before the negative head",
    "at least 0.5",
)
FLIPS = Claim(
    "negative-patch-flips",
    "One position with a suffix below zero, patched into a balanced string, makes the model reject it.",
    "share of patches that flip the answer",
    "at least 0.5",
)
SPARES = Claim(
    "negative-patch-spares",
    "One position with a suffix that is not below zero does not.",
    "share of patches that flip the answer",
    "at most half of the share for suffixes below zero",
)
CLAIMS = (LOOKS, HOLDS, FLIPS, SPARES)
TEXT_ABOVE = (
    "The other fault is a suffix with more “(” than “)”. Whether a suffix is below zero is a fact about each "
    "position, so the earlier layers can do at every position what they do for the whole string where the "
    "elevation head reads, and the negative head need only look for a position where it is true. Tested "
    "in three "
    "ways: where the head looks in strings with only that fault; what the MLPs write at each position, "
    "along the "
    "direction before that head; and what happens when one position of such a string, as it stands "
    "before that "
    "head’s layer, is put into a balanced string of the same length."
)


def negative(subject: Subject) -> Section:
    """How does the negative head find a suffix below zero?"""
    question = "How does the negative head find a suffix below zero?"
    name = subject.negative.head
    chosen = subject.seen.groups["only negative"] & subject.opens
    if name is None or not chosen.any():
        reason = subject.negative.reason or NO_NEGATIVE
        return Section("negative", question, TEXT_ABOVE, tuple(claim.missing(reason) for claim in CLAIMS))
    head = Head.parse(name)
    patches, figures = _patches(subject, head, chosen)
    measured = fault_edges(subject, "only negative")
    if measured is not None and measured.gap > 0:
        figures = (*figures, diagram(subject, measured, "suffix below zero"))
    findings = (_looks(subject, head, chosen), _holds(subject, head), *patches)
    return Section("negative", question, TEXT_ABOVE, findings, figures)


def below_zero(tokens: Tensor, elevation: Tensor) -> tuple[Tensor, Tensor]:
    """Which positions hold a bracket whose suffix is below zero, and which hold any bracket."""
    bracket = (tokens == OPEN) | (tokens == CLOSE)
    return bracket & (elevation < 0), bracket


def _looks(subject: Subject, head: Head, chosen: Tensor) -> Finding:
    some = subject.examples[chosen][:STRINGS]
    attention = attention_from(subject.model, some, str(head), subject.answer)
    low, bracket = below_zero(some.tokens, some.concepts["suffix_elevation"])
    value = (attention * low).sum(1).mean().item()
    share = (low.sum(1) / bracket.sum(1)).mean().item()
    claim = (
        f"In strings that are only negative, head {head} gives {value:.2f} of its attention to "
        "positions whose "
        f"suffix is below zero; {share:.2f} of all brackets are such."
    )
    return LOOKS.found([value, share], value >= 0.5 and value > share, claim)


def _holds(subject: Subject, head: Head) -> Finding:
    config = subject.model.config
    if config.d_mlp is None or head.layer == 0:
        return HOLDS.missing("no MLP stands in front of the negative head")
    some = subject.opening[:STRINGS]
    fit = attention_norm_fit(subject.model, some, head.layer, None)
    direction = through_head(subject.unbalanced, subject.model, head, fit, f"before head {head}")
    parts = decompose(subject.model, some, slice(None), head.layer)
    mlps = [index for index, name in enumerate(parts.names) if name.startswith("MLP")]
    along = rearrange(
        parts.values[mlps].sum(0) @ direction.vector, "(batch seq) -> batch seq", batch=len(some)
    )
    low, bracket = below_zero(some.tokens, some.concepts["suffix_elevation"])
    value = torch.corrcoef(torch.stack([along[bracket], low[bracket].float()]))[0, 1].item()
    if value != value:
        return HOLDS.missing("all suffixes, or none, are below zero")
    return HOLDS.found(value, value >= 0.5)


def _patches(
    subject: Subject, head: Head, chosen: Tensor
) -> tuple[tuple[Finding, Finding], tuple[Illustration, ...]]:
    long = subject.examples.tokens.ge(OPEN).sum(1) >= LONG
    pairs = with_balanced(subject.examples, chosen & long, PAIRS)
    if pairs is None:
        reason = f"no such string of {LONG} brackets or more has a balanced one of its length beside it"
        return (FLIPS.missing(reason), SPARES.missing(reason)), ()
    source, target = pairs
    positions = range(1, source.tokens.shape[1] - 1)
    site = f"blocks.{head.layer}.hook_resid_pre"
    patches = [Intervention(site, FromRun(source.tokens), position=position) for position in positions]
    rejected = sweep(subject.model, target, patches).values.argmax(-1).eq(0).T.cpu()
    low, bracket = below_zero(source.tokens, source.concepts["suffix_elevation"])
    low, other = low[:, 1:-1], (bracket & ~low)[:, 1:-1]
    if not low.any() or not other.any():
        return (FLIPS.missing("all suffixes are alike"), SPARES.missing("all suffixes are alike")), ()
    flips, spared = (rejected[which].double().mean().item() for which in (low, other))
    findings = FLIPS.found(flips, flips >= 0.5), SPARES.found(spared, spared <= flips / 2)
    return findings, (_flip_lines(rejected, low, other, positions),)


def _flip_lines(rejected: Tensor, low: Tensor, other: Tensor, positions: Sequence[int]) -> Illustration:
    lines = {
        "suffix below zero": (rejected & low).sum(0) / low.sum(0),
        "suffix not below zero": (rejected & other).sum(0) / other.sum(0),
    }
    figure = lines_by_position(
        {name: line.double().numpy() for name, line in lines.items()},
        list(positions),
        ("position that is patched", "share then rejected"),
    )
    return Illustration(
        figure,
        "One position of a string that is only negative, patched into a balanced string of its length.",
    )


FIRST = Claim(
    "first-bracket-head",
    "One head rejects strings that start with “)”.",
    "head",
    "its output from the string that starts with “()” makes the model accept at least half of those "
    "with “)(”",
)
READS = Claim(
    "first-bracket-head-attention",
    "That head reads the first bracket.",
    "attention from the answer’s position to the first bracket",
    "at least 0.5",
)
NEEDED = Claim(
    "first-bracket-head-ablation",
    "Without that head, the model accepts strings that start with “)”.",
    "share of all strings that start with “)” that are still rejected",
    "at most 0.5",
)
FIRST_TEXT = (
    "A string that starts with “)” is wrong whatever follows. To see which head notices, balanced "
    "strings are put "
    "behind “)(” and behind “()”: the two differ in their first brackets only. Each head’s output on "
    "the second "
    "is patched into the run on the first; the head after which the model accepts most of them is the "
    "one that "
    "had rejected them. It is then also mean-ablated on all strings that start with “)”, most of which have "
    "other faults too."
)


def first_bracket(subject: Subject) -> Section:
    """Which head rejects a string that starts with a closing bracket?"""
    question = "What rejects a string that starts with “)”?"
    pairs = first_turned(subject.examples, PAIRS)
    if pairs is None:
        missing = tuple(c.missing("no balanced string is short enough") for c in (FIRST, READS, NEEDED))
        return Section("first-bracket", question, FIRST_TEXT, missing)
    wrong, right = pairs
    found = sweep(subject.model, wrong, heads(subject.model.config, FromRun(right.tokens)))
    accepted = found.values.argmax(-1).eq(1).double().mean(1)
    drop = unbalanced_margin(found.clean).mean() - unbalanced_margin(found.values).mean(1)
    names = every_head(subject.model.config)
    rejected = found.clean.argmax(-1).eq(0).double().mean().item()
    best = int(drop.argmax())
    head, share = names[best], accepted[best].item()
    bars = grouped_bars(
        {"logits towards “balanced”": drop.tolist()}, [f"head {name}" for name in names], "logits"
    )
    figures = (
        Illustration(
            bars, f"How far each head’s output on “()…”, patched into “)(…”, moves {len(wrong)} strings."
        ),
    )
    if rejected < 0.5 or share < 0.5:
        reason = f"the strongest head, {head}, makes the model accept {share:.2f} of them"
        if rejected < 0.5:
            reason = f"the model rejects only {rejected:.2f} of strings with “)(” in front"
        findings = FIRST.found(None, False, reason=reason), *(c.missing(reason) for c in (READS, NEEDED))
        return Section("first-bracket", question, FIRST_TEXT, findings, figures)
    claim = f"Head {head} rejects strings that start with “)”: patched, {share:.2f} of them are accepted."
    findings = FIRST.found(str(head), True, claim), _reads(subject, head, wrong), _needed(subject, head)
    return Section("first-bracket", question, FIRST_TEXT, findings, figures)


def _reads(subject: Subject, head: Head, wrong: Examples) -> Finding:
    value = attention_from(subject.model, wrong, str(head), subject.answer)[:, 1].mean().item()
    return READS.found(value, value >= 0.5, f"Head {head} reads the first bracket, at position 1.")


def _needed(subject: Subject, head: Head) -> Finding:
    closed = subject.examples[~subject.opens][:STRINGS]
    if not len(closed):
        return NEEDED.missing("no string starts with “)”")
    over = subject.examples.tokens[subject.examples.labels == 1][:STRINGS]
    site = head.site("hook_z")
    ablated = Intervention(site, Mean(per="position", over=over), head=head.index)
    value = sweep(subject.model, closed, [ablated]).values[0].argmax(-1).eq(0).double().mean().item()
    return NEEDED.found(value, value <= 0.5)
