"""How does the negative head find a suffix below zero?"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.analysis.attention import attention_from
from algoscope.analysis.batching import everywhere
from algoscope.analysis.components import decompose
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import FromRun
from algoscope.interventions.sweep import sweep
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Section
from algoscope.stories.brackets.pairs import with_balanced
from algoscope.stories.brackets.subject import Subject, subject_of
from algoscope.tasks.brackets import CLOSE, OPEN

STRINGS = 300
PAIRS = 96
LONG = 12
"""Brackets: shorter strings have too few positions to tell some from others."""

# fmt: off
LOOKS = Claim(
    "negative-head-attention", "The negative head looks mostly at positions whose suffix is below zero.",
    "attention to such positions, mean over only-negative strings", at_least(0.5))
SEEKS = Claim(
    "negative-head-attention-lift", "The negative head seeks out positions whose suffix is below zero.",
    "times the attention to such positions that even attention to brackets would give", at_least(1.5))
HOLDS = Claim(
    "negative-mlps-correlation",
    "The MLPs in front of the negative head hold, at each position, whether its suffix is below zero.",
    "correlation over positions, along the direction before the negative head", at_least(0.5))
FLIPS = Claim(
    "negative-patch-flips",
    "One position with a suffix below zero, patched into a balanced string, makes the model reject it.",
    "share of patches that flip the answer", at_least(0.5))
SPARES = Claim(
    "negative-patch-spares",
    "One position with a suffix that is not below zero does so much less often.",
    "times as often as one with a suffix below zero", at_most(0.5))
# fmt: on
CLAIMS = (LOOKS, SEEKS, HOLDS, FLIPS, SPARES)
TEXT_ABOVE = (
    "The other fault is a suffix with more “(” than “)”. Whether a suffix is below zero is a fact about each "
    "position, so the earlier layers can do at every position what they do for the whole string where the "
    "elevation head reads, and the negative head need only look for a position where it is true. Tested in "
    "three ways: where the head looks in strings with only that fault; what the MLPs write at each position, "
    "along the direction before that head; and what happens when one position of such a string, as it stands "
    "before that head’s layer, is put into a balanced string of the same length."
)


def negative(seen: Seen) -> Section:
    """How does the negative head find a suffix below zero?"""
    subject, question = subject_of(seen), "How does the negative head find a suffix below zero?"
    head, chosen = subject.negative.head, subject.groups["only negative"] & subject.opens
    if head is None or not chosen.any():
        reason = subject.negative.reason or "no such string starts with “(”"
        return Section("negative", question, TEXT_ABOVE, all_missing(CLAIMS, reason))
    findings = (*_looks(subject, head, chosen), _holds(subject, head), *_patches(subject, head, chosen))
    return Section("negative", question, TEXT_ABOVE, findings)


def below_zero(
    tokens: Int[Tensor, "batch seq"], elevation: Int[Tensor, "batch seq"]
) -> tuple[Bool[Tensor, "batch seq"], Bool[Tensor, "batch seq"]]:
    """Which positions hold a bracket whose suffix is below zero, and which hold any bracket."""
    bracket = (tokens == OPEN) | (tokens == CLOSE)
    return bracket & (elevation < 0), bracket


def _looks(subject: Subject, head: Head, chosen: Tensor) -> tuple[Finding, Finding]:
    some = subject.examples[chosen][:STRINGS]
    attention = attention_from(subject.model, some, head, some.answered)
    low, bracket = below_zero(some.tokens, some.concepts["suffix_elevation"])
    value = (attention * low).sum(1).mean().item()
    even = (low.sum(1) / bracket.sum(1)).mean().item()
    return (
        LOOKS.measured(value, f"head {head}, on {len(some)} strings"),
        SEEKS.measured(value / even, f"{even:.2f} of the brackets of these strings are such"),
    )


def _holds(subject: Subject, head: Head) -> Finding:
    if subject.model.config.d_mlp is None or head.layer == 0:
        return HOLDS.missing("no MLP stands in front of the negative head")
    some = subject.opening[:STRINGS]
    fit = attention_norm_fit(subject.model, some, head.layer, None)
    direction = through_head(subject.unbalanced, subject.model, head, fit, f"before head {head}")
    low, bracket = below_zero(some.tokens, some.concepts["suffix_elevation"])
    parts = decompose(subject.model, some, everywhere(some), head.layer)
    written = torch.stack([parts[Component.mlp(layer)] for layer in range(head.layer)]).sum(0)
    along = (written @ direction.vector).view(low.shape)
    value = torch.corrcoef(torch.stack([along[bracket], low[bracket].float()]))[0, 1].item()
    if value != value:
        return HOLDS.missing("all suffixes are alike, or the MLPs write the same at all positions")
    return HOLDS.measured(value, f"over {int(bracket.sum()):,} positions")


def _patches(subject: Subject, head: Head, chosen: Tensor) -> tuple[Finding, ...]:
    long = subject.examples.tokens.ge(OPEN).sum(1) >= LONG
    pairs = with_balanced(subject.examples, chosen & long, PAIRS)
    if pairs is None:
        reason = f"no such string of {LONG} brackets or more has a balanced one of its length beside it"
        return all_missing((FLIPS, SPARES), reason)
    source, target = pairs
    positions = range(1, source.tokens.shape[1] - 1)
    site = f"blocks.{head.layer}.hook_resid_pre"
    patches = [Intervention(site, FromRun(source.tokens), position=position) for position in positions]
    rejected = sweep(subject.model, target, patches).values.argmax(-1).eq(0).T.cpu()
    low, bracket = below_zero(source.tokens, source.concepts["suffix_elevation"])
    low, other = low[:, 1:-1], (bracket & ~low)[:, 1:-1]
    if not other.any():
        return all_missing((FLIPS, SPARES), "all suffixes are below zero")
    flips, spared = (rejected[which].double().mean().item() for which in (low, other))
    spares = SPARES.missing("no patch flips the answer")
    if flips > 0:
        spares = SPARES.measured(spared / flips, f"{spared:.2f} of them flip the answer")
    return FLIPS.measured(flips, f"{int(low.sum()):,} patches from {len(source)} strings"), spares
