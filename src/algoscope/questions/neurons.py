"""Which quantity does each neuron track, and each head's output?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from plotly.graph_objects import Figure
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.analysis.neuron_effects import attributed, to_mean
from algoscope.analysis.neurons import neuron_activations
from algoscope.analysis.quantities import quantities
from algoscope.analysis.tracking import Tracking, not_padding, places, track
from algoscope.figures.heatmaps import heatmaps
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Add
from algoscope.interventions.sweep import sweep
from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.tasks.answers import Labels, margin

TRACKED = 800
"""Examples on which units are compared with quantities."""
ATTRIBUTED = 64
"""Examples of the gradient that finds candidates."""
APART = 0.15
"""Of all estimated effects: a position with so much is looked at by itself."""
SWEPT, CANDIDATES = 120, 32
"""Examples and neurons of the sweep that finds which neurons matter."""
STRONGEST = 10
LEAST = 1e-4
"""Logits: a neuron that moves the margin by less moves it by rounding."""
TRACKS = 0.5
"""Of the variance: half of what a unit does is then said by the quantity."""
NONE = "none of these"

NEURONS = Claim(
    "neurons-track",
    "Most of the neurons that matter track one quantity.",
    f"share of the {STRONGEST} neurons with the largest effect that a quantity explains half of",
    at_least(0.5),
)
HEADS = Claim(
    "heads-track",
    "Most heads write at the answers what one quantity says.",
    "share of the heads, at each answer, of whose output a quantity explains half",
    at_least(0.5).each(),
)
NO_MLP = "the model is attention-only: it has no neurons"
TEXT = (
    "A unit tracks a quantity as far as it is a function of it: the share of its variance that the means for "
    "each of the quantity's values explain, where the means come from every other input and the share from "
    "the rest, so that a quantity with many values wins nothing by chance. The quantities are those that the "
    "task names, and some that any input has: the answer, the token here and the one before, the position, "
    "and in small vocabularies the number of each token so far, from here on and in all, and its share. Of "
    "quantities that explain a unit equally well, the coarsest is named. Each answer is looked at by itself, "
    f"so is a position at which neurons have at least {APART:.0%} of their estimated effect, and all other "
    "places are taken together (“elsewhere”). Which neurons matter: a gradient estimates how far the margin "
    f"of the true answer moves if a neuron is set to its mean; the {CANDIDATES} highest estimates are "
    "measured, and the effect is how far the margin moves, up or down, on average."
)


@dataclass(frozen=True, eq=False)
class Neuron:
    """One neuron at one kind of place."""

    where: Tracking
    unit: int
    effect: float
    """Logits by which the margin of the true answer moves if the neuron is set to its mean there."""

    def __str__(self) -> str:
        return f"{self.where.component}, neuron {self.unit}, {self.where.place}"

    @property
    def tracks(self) -> tuple[str, float]:
        return self.where.best(self.unit)


def neurons(seen: Seen) -> Section:
    """Which quantity does each neuron track, and each head's output?"""
    examples = seen.kept[:TRACKED]
    codes = quantities(seen.task, examples, seen.model.config.attention_dir == "causal")
    estimates = _estimates(seen) if seen.model.config.d_mlp else None
    kinds = places(examples, not_padding(seen.model, examples), _apart(seen, estimates))
    found = track(seen.model, examples, codes, kinds)
    mlps = [each for each in found if each.component.head is None]
    heads = [each for each in found if each.component.head is not None]
    answers = [place for place, mask in kinds.items() if (mask & examples.answered).any()]
    strongest = [] if estimates is None else _strongest(seen, mlps, kinds, estimates)
    return Section(
        "neurons",
        "Which quantity does each neuron track, and each head's output?",
        TEXT,
        (_neurons(strongest, bool(mlps)), _heads(heads, answers)),
        (*_counted(mlps), *_of_strongest(strongest), _of_heads(heads)),
        (_table(strongest),) if strongest else (),
    )


def _estimates(seen: Seen) -> Float[Tensor, "layer batch seq neuron"]:
    examples = seen.kept[:ATTRIBUTED]
    return attributed(seen.model, examples, not_padding(seen.model, examples))


def _apart(seen: Seen, estimates: Tensor | None) -> list[int]:
    """The positions at which neurons have much of their effect, apart from the answers."""
    if estimates is None:
        return []
    by_position = estimates.abs().sum((0, 1, 3))
    large = (by_position >= APART * by_position.sum()) & (by_position > 0)
    large[seen.kept.answer_positions] = False
    return large.nonzero()[:, 0].tolist()


def _strongest(
    seen: Seen, mlps: Sequence[Tracking], kinds: Mapping[str, Mask], estimates: Tensor
) -> list[Neuron]:
    """The neurons with the largest effect, the strongest first; those with none are left out."""
    examples = seen.kept[:SWEPT]
    masks = {place: mask[: len(examples)] for place, mask in kinds.items()}
    guessed = {
        place: torch.einsum("lbsn,bs->lbn", estimates, mask[: estimates.shape[1]].to(estimates.dtype))
        for place, mask in masks.items()
    }
    candidates = [
        (score, each, unit)
        for each in mlps
        for unit, score in enumerate(guessed[each.place][each.component.layer].abs().mean(0).tolist())
    ]
    chosen = sorted(candidates, key=lambda one: -one[0])[:CANDIDATES]
    post = {
        layer: neuron_activations(seen.model, examples, layer)
        for layer in {each.component.layer for _, each, _ in chosen}
    }
    patches = [
        Intervention(
            f"blocks.{each.component.layer}.mlp.hook_post",
            Add(to_mean(post[each.component.layer][..., [unit]], masks[each.place])),
            neuron=unit,
        )
        for _, each, unit in chosen
    ]
    effects = sweep(seen.model, examples, patches, _moved).values.tolist()
    neurons = (Neuron(each, unit, effect) for (_, each, unit), effect in zip(chosen, effects, strict=True))
    return sorted((one for one in neurons if one.effect >= LEAST), key=lambda one: -one.effect)[:STRONGEST]


def _moved(logits: Tensor, clean: Tensor, labels: Labels) -> Float[Tensor, "variant"]:
    """How far the margin of the true answer is from where it was, in logits."""
    return (margin(logits, labels) - margin(clean, labels)).abs().mean(1)


def _neurons(strongest: Sequence[Neuron], any_mlp: bool) -> Finding:
    if not any_mlp:
        return NEURONS.missing(NO_MLP)
    if not strongest:
        return NEURONS.missing("no neuron moves an answer by itself")
    tracking = [one for one in strongest if one.tracks[1] >= TRACKS]
    names = Counter(one.tracks[0] for one in tracking)
    said = f"{len(tracking)} of {len(strongest)}" + (": " if names else "")
    said += ", ".join(f"{count} track {name}" for name, count in names.most_common())
    return NEURONS.measured(len(tracking) / len(strongest), said)


def _heads(heads: Sequence[Tracking], answers: Sequence[str]) -> Finding:
    shares, said = [], []
    for place in answers:
        here = [each for each in heads if each.place == place]
        tracking = {each.component: each.best() for each in here if each.best()[1] >= TRACKS}
        shares.append(len(tracking) / len(here))
        told = ", ".join(f"{head} {name} ({share:.2f})" for head, (name, share) in tracking.items())
        said += [f"at {place}: {told}"] if told else []
    return HEADS.measured(list(shares), "; ".join(said) or "none")


def _counted(mlps: Sequence[Tracking]) -> tuple[Illustration, ...]:
    """How many neurons of each layer track what, at each kind of place."""
    if not mlps:
        return ()
    counts = {f"{each.component}, {each.place}": _counts(each) for each in mlps}
    figure = _grid("neurons by what they track", counts, "neurons")
    caption = f"How many neurons each quantity explains best, where it explains at least {TRACKS:.0%}."
    return (Illustration(figure, caption),)


def _counts(each: Tracking) -> dict[str, float]:
    best = (each.best(unit) for unit in range(len(each.shares)))
    return dict(Counter(name if share >= TRACKS else NONE for name, share in best))


def _of_strongest(strongest: Sequence[Neuron]) -> tuple[Illustration, ...]:
    if not strongest:
        return ()
    shares = {str(one): _shares(one.where, one.unit) for one in strongest}
    figure = _grid("the neurons that matter most", _best_only(shares), "share of variance").update_layout(
        coloraxis_cmax=1.0
    )
    return (Illustration(figure, "How much of each neuron's variance the quantities explain."),)


def _of_heads(heads: Sequence[Tracking]) -> Illustration:
    shares = {f"{each.component}, {each.place}": _shares(each, 0) for each in heads}
    figure = _grid("heads", _best_only(shares), "share of variance").update_layout(coloraxis_cmax=1.0)
    return Illustration(figure, "How much of the variance of each head's output the quantities explain.")


def _shares(each: Tracking, unit: int) -> dict[str, float]:
    return dict(zip(each.quantities, each.shares[unit].tolist(), strict=True))


def _best_only(shares: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Without the quantities that are nobody's best."""
    best = {max(each, key=each.__getitem__) for each in shares.values() if each}
    return {
        name: {what: share for what, share in each.items() if what in best} for name, each in shares.items()
    }


def _grid(title: str, cells: Mapping[str, Mapping[str, float]], measure: str) -> Figure:
    columns = sorted({what for row in cells.values() for what in row}, key=lambda what: (what == NONE, what))
    values = np.array([[row.get(what, 0.0) for what in columns] for row in cells.values()])
    return heatmaps({title: values}, list(cells), columns, ("unit", "quantity"), measure)


def _table(strongest: Sequence[Neuron]) -> Table:
    rows = tuple((str(one), one.effect, *one.tracks) for one in strongest)
    return Table(
        ("neuron", "effect in logits", "best quantity", "share of variance"),
        rows,
        "The neurons with the largest effect, and the quantity that says most about each.",
    )
