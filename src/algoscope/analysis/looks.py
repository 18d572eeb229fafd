"""In which of the ways that have a name does a head look?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.analysis.look_patterns import Pattern, Queries, judged, named, queries
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
    """What says most of it, whether or not that is enough: see `chosen`."""
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
    heads: Sequence[Head],
    places: Mapping[str, Mask],
    vocabulary: Sequence[str],
    called: Sequence[int] = (),
) -> dict[str, dict[Head, Look]]:
    """How each of these heads looks from each of the marked places, which may overlap.

    `vocabulary` names the tokens, `called` says which token each class of answer is, -1 where it is none.
    A place from which there is no choice is not judged, and where there is none other, nothing is returned.
    All attention from these places is held at once: a few hundred examples are enough.
    Raises UserError for a head that does not exist.
    """
    wanted = [head.check(model.config) for head in heads]
    at = judged(model.config, examples, torch.stack([mask.cpu() for mask in places.values()]).any(0))
    if not wanted or not at.any():
        return {}
    asked = queries(model.config, examples, at, called)
    patterns = named(examples.tokens.shape[1], vocabulary, asked.concepts)
    by_layer = {
        layer: values_at(model, examples, Head(layer, 0).site("hook_pattern"), at)
        for layer in {head.layer for head in wanted}
    }
    attention = torch.stack([by_layer[head.layer][:, head.index] for head in wanted]).double()
    kind = asked.kind
    overlaps, there = overlap(attention, asked, patterns)
    found: dict[str, dict[Head, Look]] = {}
    for place, mask in places.items():
        rows = mask.cpu()[at]
        if rows.any():
            found[place] = {
                head: Look(
                    head,
                    *chosen(patterns, values[:, rows], there[:, rows]),
                    steadiness(weights[rows], kind[rows]),
                )
                for head, values, weights in zip(wanted, overlaps, attention, strict=True)
            }
    return found


def overlap(
    attention: Float[Tensor, "head row key"], asked: Queries, patterns: Sequence[Pattern]
) -> tuple[Float[Tensor, "head pattern row"], Bool[Tensor, "pattern row"]]:
    """Each row's Σ_key min(attention, target), and for which rows a pattern has a target."""
    found, there = [], []
    for pattern in patterns:
        target, has_one = _target(pattern, asked)
        found.append(torch.minimum(attention, target).sum(-1))
        there.append(has_one)
    return torch.stack(found, 1), torch.stack(there)


def chosen(
    patterns: Sequence[Pattern], overlaps: Float[Tensor, "pattern row"], there: Bool[Tensor, "pattern row"]
) -> tuple[Fit, tuple[Fit, ...]]:
    """The pattern that says most of a head's attention, and all that have a key on LEAST_SHARE of the rows.

    The first pattern, evenness, stands until another fits clearly better: the widest is tried first, then the
    simplest. A narrow one takes over only if it also beats the one before it on its own rows. So a head that
    looks at the first place does so even if, from place 7, that is 7 places back; and one that looks at what
    followed an earlier token of its own does that even if it looks at the first place where there is none.
    """
    share = there.double().mean(1)
    tried = (share >= LEAST_SHARE).nonzero()[:, 0]
    overlaps, there, share = overlaps[tried], there[tried].double(), share[tried]
    # scores[a, b]: how pattern a fits the rows for which b has a target.
    scores = overlaps @ there.T / there.sum(1)
    fits = [
        Fit(patterns[index], *numbers)
        for index, *numbers in zip(
            tried.tolist(), scores.diagonal().tolist(), scores[0].tolist(), share.tolist(), strict=True
        )
    ]
    best = 0
    for index in sorted(range(1, len(fits)), key=lambda index: -fits[index].share):
        fit, before = fits[index], max(fits[best].score, scores[best, index].item())
        if fit.score > before + TIE and fit.score >= fit.even + BEYOND_EVEN:
            best = index
    return fits[best], tuple(fits)


def steadiness(attention: Float[Tensor, "row key"], kind: Int[Tensor, "row"]) -> float | None:
    """The mean over rows of Σ_key min(attention, its mean over the other rows of this kind)."""
    counts = kind.bincount()
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


def _mean_by_query(
    values: Float[Tensor, "row key"], query: Int[Tensor, "row"], seq: int
) -> Float[Tensor, "query key"]:
    count = query.bincount(minlength=seq)
    # Nothing divided by nothing: NaN, which figures leave blank.
    return values.new_zeros(seq, values.shape[1]).index_add(0, query, values) / count[:, None]
