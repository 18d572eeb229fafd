"""The bracket model that is studied, and the parts that its heads play: what every question starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.attention import attention_from
from algoscope.analysis.attribution import (
    Contributions,
    Direction,
    class_direction,
    contributions,
    pull_back,
)
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.analysis.linearised import LinearFit
from algoscope.analysis.neurons import NeuronKinds, neuron_kinds, neurons_along
from algoscope.analysis.tally import Tally, predicts, tally
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.questions.roles import Role, strongest_head
from algoscope.questions.seen import Observed
from algoscope.tasks.brackets import CLOSE, OPEN
from algoscope.tasks.task import Examples

LEAST_ATTENTION = 0.5
"""More than to all other positions together."""
LEAST_TALLY = 0.8
"""Of the variance of the share of “(”, explained by what a tally head writes."""
FITTED = 1000
"""Examples that a head's norm is linearised on while heads are compared; for the tally head, all."""
NO_ELEVATION = "no elevation head was found"
NO_NEGATIVE = "no negative head was found"
NO_TALLY = "no tally head was found"
NO_MLP = "the model has no MLP in front of the elevation head"


@dataclass(frozen=True)
class TallyRole:
    """The head whose output at the position that the elevation head reads best tells the share of “(”."""

    tally: Tally | None
    shares: dict[str, float]
    """How much each earlier head's output explains of the share's variance."""
    reason: str = ""


@dataclass(frozen=True)
class Subject:
    """One model on its examples. What is expensive is computed when first asked for, and once."""

    seen: Observed
    seed: int

    @property
    def model(self) -> Transformer:
        return self.seen.model

    @property
    def examples(self) -> Examples:
        return self.seen.examples

    @cached_property
    def elevation(self) -> Role:
        """Rejects strings whose only fault is their total elevation."""
        kind = "only total elevation"
        return strongest_head(self.seen.pushed, self.seen.row_groups[kind], kind)

    @cached_property
    def negative(self) -> Role:
        """Rejects strings whose only fault is a suffix below zero."""
        kind = "only negative"
        return strongest_head(self.seen.pushed, self.seen.row_groups[kind], kind)

    @property
    def opens(self) -> Bool[Tensor, "batch"]:
        """Which examples start with “(”: the others are wrong whatever follows."""
        return self.examples.concepts["starts_open"]

    @cached_property
    def opening(self) -> Examples:
        return self.examples[self.opens]

    @cached_property
    def opening_groups(self) -> dict[str, Bool[Tensor, "batch"]]:
        """The kinds among the examples that start open."""
        return {name: mask[self.opens] for name, mask in self.seen.groups.items()}

    @property
    def answer(self) -> int:
        assert isinstance(self.seen.task.answer, int), "brackets have one answer"
        return self.seen.task.answer

    @cached_property
    def attention(self) -> Float[Tensor, "batch key"] | None:
        """Of the elevation head, from the answer's position, on each example; None without such a head."""
        if self.elevation.head is None or not len(self.opening):
            return None
        return attention_from(self.model, self.examples, self.elevation.head, self.answer)

    @cached_property
    def read(self) -> int | None:
        """The position that the elevation head reads most, on average over strings that start open."""
        return None if self.attention is None else int(self.attention[self.opens].mean(0).argmax())

    @property
    def caution(self) -> str:
        """A sentence for a reader, where the elevation head reads no position more than all others."""
        if self.attention is None or self.read is None:
            return ""
        share = self.attention[self.opens, self.read].mean().item()
        if share >= LEAST_ATTENTION:
            return ""
        return (
            f" Caution: this model's elevation head gives position {self.read}, which it reads most, only "
            f"{share:.2f} of its attention, so what is found there is that part of the story."
        )

    @cached_property
    def unbalanced(self) -> Direction:
        """The direction that speaks for “unbalanced”, before the final norm."""
        after = class_direction(self.model, 0, 1, self.seen.task.classes[0])
        return pull_back(after, self.seen.fit, "before the final norm")

    @cached_property
    def input_fit(self) -> LinearFit | None:
        """The norm before the elevation head, linearised at the position that it reads."""
        if self.elevation.head is None or self.read is None:
            return None
        return attention_norm_fit(self.model, self.examples, Head.parse(self.elevation.head).layer, self.read)

    @cached_property
    def before(self) -> Direction | None:
        """The same direction before the elevation head."""
        if self.elevation.head is None or self.input_fit is None:
            return None
        head = Head.parse(self.elevation.head)
        return through_head(self.unbalanced, self.model, head, self.input_fit, f"before head {head}")

    @cached_property
    def parts(self) -> Components | None:
        """The stream that the elevation head reads, taken apart."""
        if self.elevation.head is None or self.read is None:
            return None
        return decompose(self.model, self.examples, self.read, Head.parse(self.elevation.head).layer)

    @cached_property
    def pushed(self) -> Contributions | None:
        """What each of those parts contributes through the elevation head, centred on balanced strings."""
        if self.parts is None or self.before is None:
            return None
        return contributions(self.parts, self.before, self.examples.labels == 1)

    @property
    def mlps(self) -> tuple[int, ...]:
        """The layers whose MLPs write before the elevation head reads."""
        if self.elevation.head is None or self.model.config.d_mlp is None:
            return ()
        return tuple(range(Head.parse(self.elevation.head).layer))

    @cached_property
    def neurons(self) -> dict[int, Float[Tensor, "batch neuron"]]:
        """Layer by layer, what each neuron contributes through the elevation head, if it starts open."""
        if self.before is None or self.read is None:
            return {}
        return {
            layer: neurons_along(self.model, self.opening, layer, self.before, self.read)
            for layer in self.mlps
        }

    @cached_property
    def kinds(self) -> dict[int, NeuronKinds]:
        """What the neurons of each layer detect; empty where there is not every kind of string."""
        share = self.opening.concepts["open_proportion"]
        found = {layer: neuron_kinds(layer, along, share) for layer, along in self.neurons.items()}
        return {layer: kinds for layer, kinds in found.items() if kinds is not None}

    @cached_property
    def tally(self) -> TallyRole:
        """Which earlier head tallies, at the position that the elevation head reads."""
        if self.parts is None:
            return TallyRole(None, {}, NO_ELEVATION)
        heads = [Head.parse(name) for name in self.parts.names if "." in name]
        if not heads:
            return TallyRole(None, {}, "the elevation head is in the first layer: no head acts before it")
        share = self.opening.concepts["open_proportion"]
        fits = {
            layer: attention_norm_fit(self.model, self.examples[:FITTED], layer, None)
            for layer in {head.layer for head in heads}
        }
        tallies = {str(head): tally(self.model, head, fits[head.layer], (OPEN, CLOSE)) for head in heads}
        explained = {
            name: predicts(self.parts.values[self.parts.names.index(name)][self.opens], each.axis, share)
            for name, each in tallies.items()
        }
        best = max(explained, key=explained.__getitem__)
        if explained[best] < LEAST_TALLY:
            reason = f"the best head, {best}, explains {explained[best]:.2f} of the share of “(”"
            return TallyRole(None, explained, f"{reason}: less than {LEAST_TALLY:g}")
        found = Head.parse(best)
        fit = attention_norm_fit(self.model, self.examples, found.layer, None)
        return TallyRole(tally(self.model, found, fit, (OPEN, CLOSE)), explained)

    def tally_output(self) -> Float[Tensor, "batch d_model"]:
        """What the tally head writes where the elevation head reads, if the string starts open."""
        assert self.parts is not None
        assert self.tally.tally is not None
        return self.parts.values[self.parts.names.index(str(self.tally.tally.head))][self.opens]


def present(groups: dict[str, Bool[Tensor, "batch"]], rows: slice) -> dict[str, Tensor]:
    """The groups' masks cut to these rows, without those that are empty there."""
    return {name: mask[rows] for name, mask in groups.items() if mask[rows].any()}


def unbalanced_margin(logits: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch"]:
    """The logit of “unbalanced” less that of “balanced”."""
    return torch.sub(logits[..., 0], logits[..., 1])
