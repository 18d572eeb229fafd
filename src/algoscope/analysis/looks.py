"""In which of the ways that have a name does a head look?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.analysis.look_patterns import EVEN, Pattern, Queries, judged, named, queries
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

FITS = 0.7
"""The least score at which a head looks in this way."""
BEYOND_EVEN = 0.1
"""How much better than evenness any other pattern has to fit, on the rows that it speaks of."""
LEAST_SHARE = 0.1
"""Of the rows for which a pattern has a key to look at: on fewer it is not tried."""
TIE = 0.02
"""Scores that are no further apart are the same, and the wider or simpler pattern is taken."""


@dataclass(frozen=True)
class Fit:
    """How well a pattern fits a head's attention."""

    pattern: Pattern
    score: float
    """The share of attention that lies where the pattern puts it: 1 is exactly this pattern, 0 none of it.

    The mean over rows of Σ_key min(attention, target), which is one minus the total variation distance.
    The target is even over the pattern's keys. Rows for which it has no key that is seen are left out.
    """
    even: float
    """What looking evenly at all that is seen scores on the same rows."""
    share: float
    """The share of rows for which the pattern has a key."""

    @property
    def explained(self) -> float:
        """The share of all attention, of rows without a key too, that lies where the pattern puts it."""
        return self.score * self.share


@dataclass(frozen=True)
class Look:
    """A head's attention from some places against every named pattern."""

    head: Head
    best: Fit
    """What says most of it, whether or not that is enough: see `fitted`."""
    fits: tuple[Fit, ...]
    """The simplest pattern first, evenness. Without patterns that have no key on LEAST_SHARE of the rows."""
    steady: float | None
    """The share of attention that goes where it goes on average from the same place in inputs of the same
    length, scored as a pattern is: 1 if what is in the input doesn't matter. None if no two rows compare."""

    @property
    def runner_up(self) -> Fit | None:
        """What explains most of those that say something else; two patterns may mark the same keys here."""
        best = self.best
        others = [
            fit for fit in self.fits if abs(fit.score - best.score) > 1e-6 or abs(fit.even - best.even) > 1e-6
        ]
        return max(others, key=lambda fit: fit.explained, default=None)

    @property
    def fitting(self) -> bool:
        """Whether the head looks in the best way, or in none of these."""
        return self.best.score >= FITS

    @property
    def words(self) -> str:
        """Completes "it looks ...": the pattern, or "in none of these ways"."""
        return self.best.pattern.words if self.fitting else "in none of these ways"

    def __getitem__(self, name: str) -> Fit | None:
        """How the pattern of this name fits; None if it has too few keys to be tried."""
        return next((fit for fit in self.fits if fit.pattern.name == name), None)


def looks(
    model: Transformer,
    examples: Examples,
    heads: Iterable[Head],
    at: Mask,
    vocabulary: Sequence[str],
    called: Sequence[int] = (),
) -> dict[Head, Look]:
    """How each of these heads looks from the marked places; without places that have no choice, no head has.

    `vocabulary` names the tokens, `called` says which token each class of answer is, -1 where it is none.
    All attention from the marked places is held at once: a few hundred examples are enough.
    Raises UserError for a head that does not exist.
    """
    rows = judged(model.config, examples, at)
    if not rows.any():
        return {}
    asked = queries(model.config, examples, rows, called)
    patterns = named(examples.tokens.shape[1], vocabulary, asked.concepts)
    found: dict[Head, Look] = {}
    wanted = [head.check(model.config) for head in heads]
    for layer in sorted({head.layer for head in wanted}):
        indices = [head.index for head in wanted if head.layer == layer]
        site = Head(layer, 0).site("hook_pattern")
        attention = values_at(model, examples, site, rows)[:, indices].double()
        for index, weights in zip(indices, attention.unbind(1), strict=True):
            head = Head(layer, index)
            best, fits = fitted(weights, asked, patterns)
            found[head] = Look(head, best, fits, steadiness(weights, asked))
    return {head: found[head] for head in wanted}


def fitted(
    attention: Float[Tensor, "row key"], asked: Queries, patterns: Sequence[Pattern]
) -> tuple[Fit, tuple[Fit, ...]]:
    """The pattern that says most of this attention, and all that have a key on LEAST_SHARE of the rows.

    Evenness stands until another fits clearly better: the widest is tried first, then the simplest. A narrow
    one takes over only if it also beats the one before it on its own rows. So a head that looks at the first
    place does so even if, from place 7, that is 7 places back; and one that looks at what followed an earlier
    token of its own does that even if it looks at the first place where there is none.
    """
    even, _ = _overlaps(attention, EVEN, asked)
    overlaps: dict[Fit, Tensor] = {}
    theres: dict[Fit, Tensor] = {}
    for pattern in patterns:
        overlap, there = _overlaps(attention, pattern, asked)
        share = there.double().mean().item()
        if share >= LEAST_SHARE:
            fit = Fit(pattern, overlap[there].mean().item(), even[there].mean().item(), share)
            overlaps[fit], theres[fit] = overlap, there
    best, *others = overlaps
    for fit in sorted(others, key=lambda fit: -fit.share):
        there = theres[fit]
        before = max(best.score, overlaps[best][there].mean().item())
        if fit.score > before + TIE and fit.score >= fit.even + BEYOND_EVEN:
            best = fit
    return best, tuple(overlaps)


def steadiness(attention: Float[Tensor, "row key"], asked: Queries) -> float | None:
    """The mean over rows of Σ_key min(attention, its mean over the other rows of that place and length)."""
    # Padding on the left moves the whole input, so where it begins is told apart too.
    kinds = torch.stack([asked.query, asked.first, asked.last], 1)
    _, kind, counts = kinds.unique(dim=0, return_inverse=True, return_counts=True)
    compared = counts[kind] > 1
    if not compared.any():
        return None
    sums = attention.new_zeros(len(counts), attention.shape[1]).index_add(0, kind, attention)
    # Of the others: with its own part in it, the mean of a few rows would fit any of them.
    others = (sums[kind] - attention)[compared] / (counts[kind] - 1)[compared, None]
    return torch.minimum(attention[compared], others).sum(1).mean().item()


@dataclass(frozen=True, eq=False)
class Picture:
    """A head's mean attention beside what its best pattern would give. NaN where nothing was judged."""

    attention: Float[Tensor, "query key"]
    target: Float[Tensor, "query key"]


def picture(
    model: Transformer, examples: Examples, look: Look, at: Mask, called: Sequence[int] = ()
) -> Picture:
    """What the look rests on: the mean over these examples, of the marked places that were judged."""
    rows = judged(model.config, examples, at)
    asked = queries(model.config, examples, rows, called)
    attention = values_at(model, examples, look.head.site("hook_pattern"), rows)[:, look.head.index].double()
    target, there = _target(look.best.pattern, asked)
    seq = examples.tokens.shape[1]
    return Picture(
        _mean_by_query(attention, asked.query, seq), _mean_by_query(target[there], asked.query[there], seq)
    )


def _target(pattern: Pattern, asked: Queries) -> tuple[Float[Tensor, "row key"], Bool[Tensor, "row"]]:
    """Where attention would go, and on which rows it would go anywhere."""
    keys = pattern.keys(asked) & asked.seen
    count = keys.sum(1)
    return keys / count.clamp(min=1)[:, None].double(), count > 0


def _overlaps(
    attention: Float[Tensor, "row key"], pattern: Pattern, asked: Queries
) -> tuple[Float[Tensor, "row"], Bool[Tensor, "row"]]:
    """Each row's Σ_key min(attention, target), and which rows have a target."""
    target, there = _target(pattern, asked)
    return torch.minimum(attention, target).sum(1), there


def _mean_by_query(
    values: Float[Tensor, "row key"], query: Int[Tensor, "row"], seq: int
) -> Float[Tensor, "query key"]:
    count = query.bincount(minlength=seq)
    # Nothing divided by nothing: NaN, which figures leave blank.
    return values.new_zeros(seq, values.shape[1]).index_add(0, query, values) / count[:, None]
