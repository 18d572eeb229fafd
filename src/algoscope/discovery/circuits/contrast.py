"""What a circuit is judged on: inputs, what takes the place of cut edges, and a measure of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.discovery.circuits.graph import Graph
from algoscope.discovery.circuits.patched import Patched
from algoscope.discovery.circuits.places import Places
from algoscope.discovery.circuits.plan import Kept
from algoscope.discovery.circuits.replaced import Written, averaged, nothing, written
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import differing, divergence, surprise
from algoscope.tasks.task import Examples

Measure = Callable[[Float[Tensor, "variant row class"]], Float[Tensor, "variant row"]]
"""How far each answer goes towards what the whole model says."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """A model on inputs, with something in the place of what cut edges carry, and a measure of answers."""

    patched: Patched
    measure: Measure
    rows: Int[Tensor, "row"]
    """Answers that the measure is about: of pairs, those at which the two inputs are answered differently."""

    @property
    def graph(self) -> Graph:
        return self.patched.graph

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """The logits `[row class]` with every edge kept, and with every edge cut."""
        whole, empty = self.logits(torch.stack((self.every, torch.zeros_like(self.every))))
        return whole, empty

    @property
    def every(self) -> Float[Tensor, "edge"]:
        """The mask that keeps all edges."""
        return torch.ones(len(self.graph.edges), device=self.patched.model.W_E.device)

    def cut(self, kept: Bool[Tensor, "edge"], sets: Sequence[Sequence[int]]) -> Kept:
        """For each of these sets of edges a copy of the mask, with them cut too."""
        masks = kept.to(self.every).repeat(len(sets), 1)
        for mask, numbers in zip(masks, sets, strict=True):
            mask[list(numbers)] = 0
        return masks

    @torch.no_grad()
    def logits(self, kept: Kept) -> Float[Tensor, "variant row class"]:
        """The logits of each mask."""
        return torch.cat([logits for _, logits in self.patched.in_parts(kept)])

    def measured(self, logits: Float[Tensor, "variant row class"]) -> Float[Tensor, "variant row"]:
        """The measure at the rows that it is about."""
        return self.measure(logits)[:, self.rows]

    def by_example(self, effects: Float[Tensor, "variant row"]) -> Float[Tensor, "variant example"]:
        """Effects on the measure, added up over each example's answers."""
        found = effects.new_zeros(len(effects), len(self.patched.examples))
        return found.index_add(1, self.patched.examples.row_example[self.rows], effects)

    @torch.no_grad()
    def faithfulness(self, kept: Kept) -> Float[Tensor, "variant"]:
        """(m(kept) - m(nothing)) / (m(all) - m(nothing)), m the mean measure: 1 as the whole, 0 as nothing.

        Raises UserError if the model does as well without any edge, so that there is nothing to keep.
        """
        found = [self.measured(logits).double().mean(1) for _, logits in self.patched.in_parts(kept)]
        whole, empty = (self.measured(end[None]).double().mean() for end in self.ends)
        if abs(whole - empty) < 1e-6:
            raise UserError("with every edge cut the model answers as it does: there is no circuit to find")
        return (torch.cat(found) - empty) / (whole - empty)

    @torch.no_grad()
    def divergence(self, kept: Kept) -> Float[Tensor, "variant row"]:
        """KL(whole model || these edges), in nats, at every answer."""
        sets = self.patched.examples.sets
        found = [divergence(logits, self.ends[0], sets) for _, logits in self.patched.in_parts(kept)]
        return torch.cat(found)


def resampled(
    model: Transformer,
    examples: Examples,
    partners: Examples,
    frozen_norms: bool = False,
    places: Places | None = None,
) -> Contrast:
    """Cut edges carry what the sender writes on the partner, which stands in the same row.

    The measure is the logit of the example's truth over that of its partner's, where the two differ (of sets:
    the sum over the classes that only one has). Raises UserError for pairs that are answered at different
    places, or alike.
    """
    examples, partners = _on(model, examples), _on(model, partners)
    if not torch.equal(examples.answered, partners.answered):
        raise UserError("the inputs of a pair are answered at different places: give pairs that line up")
    sign = differing(examples.labels, partners.labels, model.config.d_vocab_out)
    rows = (sign != 0).any(-1).nonzero()[:, 0]
    if not len(rows):
        raise UserError("both inputs of every pair are answered alike: give pairs whose answers differ")
    patched = _patched(model, examples, written(model, partners), frozen_norms, places)
    return Contrast(patched, lambda logits: (logits * sign).sum(-1), rows)


def ablated(
    model: Transformer,
    examples: Examples,
    patching: str = "mean",
    frozen_norms: bool = False,
    places: Places | None = None,
) -> Contrast:
    """Cut edges carry the mean of what the sender writes over these inputs ("mean", "mean everywhere"), or 0.

    "mean" keeps positions apart, "mean everywhere" does not, so that a position embedding counts too. The
    measure is the truth's log-probability.
    """
    examples = _on(model, examples)
    instead = {
        "mean": lambda: averaged(model, examples),
        "mean everywhere": lambda: averaged(model, examples, across_places=True),
        "zero": lambda: nothing(model, examples),
    }
    if patching not in instead:
        raise UserError(f"patching is {patching!r}: choose from {', '.join(instead)}, or give pairs")
    patched = _patched(model, examples, instead[patching](), frozen_norms, places)
    rows = torch.arange(len(examples.labels), device=examples.tokens.device)
    return Contrast(patched, lambda logits: -surprise(logits, examples.labels), rows)


def _on(model: Transformer, examples: Examples) -> Examples:
    return examples.to(model.W_E.device)


def _patched(
    model: Transformer, examples: Examples, instead: Written, frozen: bool, places: Places | None
) -> Patched:
    if not frozen:
        return Patched(model, examples, instead, places)
    _, scales = model.run_with_cache(
        examples.tokens, lambda name: name.endswith("hook_scale"), position_ids=examples.position_ids
    )
    return Patched(model, examples, instead, places, scales)
