"""The bracket model that is studied, and the parts that its heads play: what every question starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.attention import attention_from
from algoscope.analysis.attribution import Contributions, Direction, class_direction, contributions, pull_back
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.analysis.neurons import NeuronKinds, neuron_kinds, neurons_along
from algoscope.analysis.tally import Tally, predicts, tally
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.questions.roles import Role, strongest_head
from algoscope.questions.seen import Seen
from algoscope.tasks.brackets import CLOSE, OPEN
from algoscope.tasks.task import Examples

TEXT = "ARENA 1.5.1"
LEAST_TALLY = 0.8
"""Of the variance of the share of “(”, explained by what a tally head writes."""
FITTED = 1000
"""Examples that a head's norm is linearised on while heads are compared; for the tally head, all."""
MOST_POINTS = 1500
"""As many as a browser draws without delay, and as an eye can tell apart."""
SHARE = "share of “(” among the brackets"
NO_MLP = "the model has no MLP in front of the elevation head"
NOT_EVERY_KIND = "there is not every kind of string among those that start open"


@dataclass(frozen=True, eq=False)
class Reader:
    """The elevation head at work: what it reads, and along which direction that counts."""

    head: Head
    attention: Float[Tensor, "batch key"]
    """From the answer's position, on each example."""
    read: int
    """The position that it reads most, on average over strings that start open."""
    fit: LinearFit
    """The norm before it, linearised at that position."""
    before: Direction
    """“unbalanced”, as this head reads it there."""
    parts: Components
    """The stream there, taken apart."""
    pushed: Contributions
    """What each of those parts contributes through the head, centred on balanced strings."""


@dataclass(frozen=True)
class TallyRole:
    """The head whose output at the position that the elevation head reads best tells the share of “(”."""

    tally: Tally | None
    shares: Mapping[Head, float]
    """How much each earlier head's output explains of the share's variance."""
    reason: str = ""
    """Why there is no such head."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One model on the examples whose activations are held. Each part is computed when first asked for."""

    seen: Seen

    @property
    def model(self) -> Transformer:
        return self.seen.model

    @property
    def examples(self) -> Examples:
        return self.seen.kept

    @property
    def groups(self) -> Mapping[str, Bool[Tensor, "batch"]]:
        return self.seen.kept_groups

    @cached_property
    def elevation(self) -> Role:
        """Rejects strings whose only fault is their total elevation."""
        return self._strongest("only total elevation")

    @cached_property
    def negative(self) -> Role:
        """Rejects strings whose only fault is a suffix below zero."""
        return self._strongest("only negative")

    def _strongest(self, kind: str) -> Role:
        return strongest_head(self.seen.pushed, self.seen.row_groups[kind], kind)

    @property
    def opens(self) -> Bool[Tensor, "batch"]:
        """Which examples start with “(”: the others are wrong whatever follows."""
        return self.examples.concepts["starts_open"]

    @cached_property
    def opening(self) -> Examples:
        return self.examples[self.opens]

    @cached_property
    def opening_groups(self) -> Mapping[str, Bool[Tensor, "batch"]]:
        """The kinds among the examples that start open."""
        return {name: mask[self.opens] for name, mask in self.groups.items()}

    @property
    def share(self) -> Float[Tensor, "batch"]:
        """Of “(” among the brackets of the strings that start open."""
        return self.opening.concepts["open_proportion"]

    @cached_property
    def unbalanced(self) -> Direction:
        """The direction that speaks for “unbalanced”, before the final norm."""
        after = class_direction(self.model, 0, 1, self.seen.task.classes[0])
        return pull_back(after, self.seen.fit, "before the final norm")

    @cached_property
    def reader(self) -> Reader | None:
        """The elevation head, if there is one and it has strings to be averaged over."""
        head, model, examples = self.elevation.head, self.model, self.examples
        if head is None or not len(self.opening):
            return None
        attention = attention_from(model, examples, head, examples.answered)
        read = int(attention[self.opens].mean(0).argmax())
        parts = decompose(model, examples, read, head.layer)
        fit = fit_norm(model.block(head.layer).ln1, parts.resid)
        before = through_head(self.unbalanced, model, head, fit, f"before head {head}")
        pushed = contributions(parts, before, examples.labels == 1)
        return Reader(head, attention, read, fit, before, parts, pushed)

    @property
    def no_reader(self) -> str:
        """Why there is none."""
        return self.elevation.reason or "no string starts with “(”"

    @property
    def mlps(self) -> tuple[int, ...]:
        """The layers whose MLPs write before the elevation head reads."""
        found = self.reader
        return tuple(range(found.head.layer)) if found and self.model.config.d_mlp else ()

    @cached_property
    def neurons(self) -> Mapping[int, Float[Tensor, "batch neuron"]]:
        """Layer by layer, what each neuron contributes through the elevation head, if it starts open."""
        found = self.reader
        if found is None:
            return {}
        return {
            layer: neurons_along(self.model, self.opening, layer, found.before, found.read)
            for layer in self.mlps
        }

    @cached_property
    def kinds(self) -> Mapping[int, NeuronKinds]:
        """What the neurons of each layer detect; empty where there is not every kind of string."""
        found = {layer: neuron_kinds(layer, along, self.share) for layer, along in self.neurons.items()}
        return {layer: kinds for layer, kinds in found.items() if kinds is not None}

    @property
    def no_kinds(self) -> str:
        """Why there are none."""
        return NOT_EVERY_KIND if self.mlps else NO_MLP if self.reader else self.no_reader

    @cached_property
    def tally(self) -> TallyRole:
        """Which earlier head tallies, at the position that the elevation head reads."""
        if self.reader is None:
            return TallyRole(None, {}, self.no_reader)
        if len(self.opening) < 2:
            return TallyRole(None, {}, "fewer than two strings start with “(”")
        tallies = {}
        for layer in range(self.reader.head.layer):
            fit = attention_norm_fit(self.model, self.examples[:FITTED], layer, None)
            for index in range(self.model.config.n_heads):
                head = Head(layer, index)
                tallies[head] = tally(self.model, head, fit, (OPEN, CLOSE))
        if not tallies:
            return TallyRole(None, {}, "the elevation head is in the first layer: no head acts before it")
        shares = {head: predicts(self.written(head), each.axis, self.share) for head, each in tallies.items()}
        best = max(shares, key=shares.__getitem__)
        if shares[best] < LEAST_TALLY:
            reason = f"the best head, {best}, explains {shares[best]:.2f} of the share of “(”"
            return TallyRole(None, shares, f"{reason}: less than {LEAST_TALLY:g}")
        fit = attention_norm_fit(self.model, self.examples, best.layer, None)
        return TallyRole(tally(self.model, best, fit, (OPEN, CLOSE)), shares)

    def written(self, head: Head) -> Float[Tensor, "batch d_model"]:
        """What an earlier head writes where the elevation head reads, if the string starts open."""
        assert self.reader is not None, "a head that acts before the elevation head"
        return self.reader.parts[Component.of(head)][self.opens]


# A study asks all questions of one model before it goes on to the next.
subject_of = lru_cache(maxsize=1)(Subject)


def points(groups: Mapping[str, Bool[Tensor, "batch"]]) -> dict[str, Bool[np.ndarray, "point"]]:
    """The groups' masks over the examples that are drawn, without those that are empty there."""
    drawn = {name: mask[:MOST_POINTS].numpy() for name, mask in groups.items()}
    return {name: mask for name, mask in drawn.items() if mask.any()}
