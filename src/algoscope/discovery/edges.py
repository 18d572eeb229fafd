"""Which component passes on to which what makes two inputs be answered differently? Path patching.

An edge is patched by giving one receiver the sender's output on another input, while every other reader of
the stream still gets the sender's own. What then reaches the answer went along this edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.paths import path_patch
from algoscope.interventions.sources import FromRun, Source
from algoscope.interventions.sweep import sweep
from algoscope.model.component import ANSWER, EMBEDDING, POSITION, TOKEN, Component, heads_and_mlps
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import Labels, differing
from algoscope.tasks.task import Examples


@dataclass(frozen=True)
class Edge:
    """A sender and a later receiver: a head, an MLP, or the answer."""

    sender: Component
    receiver: Component
    effect: float
    """Logits by which the answer moves from the one input's towards the other's along this edge alone."""


@dataclass(frozen=True)
class Edges:
    """All direct edges between components, measured on pairs of inputs."""

    edges: tuple[Edge, ...]
    gap: float
    """How far apart the model's answers to a pair's two inputs are, a mean over the answers that differ."""
    pairs: int

    def strong(self, share: float) -> tuple[Edge, ...]:
        """The edges whose effect is at least this share of the gap, the strongest first.

        None at all if there is no gap in favour of the truth, and so nothing that edges could carry.
        """
        found = [edge for edge in self.edges if 0 < share * self.gap <= edge.effect]
        return tuple(sorted(found, key=lambda edge: -edge.effect))


@dataclass(frozen=True, eq=False)
class EdgeEffects:
    """What passes along each edge in every answer in which the two inputs of a pair differ."""

    names: tuple[tuple[Component, Component], ...]
    effects: Float[Tensor, "edge row"]
    """In logits, as `Edge.effect` is."""
    gaps: Float[Tensor, "row"]
    numbers: Int[Tensor, "row"]
    """Which of its input's answers each row is, from 0."""
    pairs: int

    @property
    def pooled(self) -> Edges:
        """Over all answers together."""
        return self._over(torch.ones_like(self.gaps, dtype=torch.bool))

    @property
    def by_answer(self) -> dict[int, Edges]:
        """For the first answer of an input (0), the second ... : those that differ in some pair."""
        return {number: self._over(self.numbers == number) for number in self.numbers.unique().tolist()}

    def _over(self, rows: Bool[Tensor, "row"]) -> Edges:
        means = self.effects[:, rows].double().mean(1).tolist()
        edges = (Edge(*names, effect) for names, effect in zip(self.names, means, strict=True))
        return Edges(tuple(edges), self.gaps[rows].double().mean().item(), self.pairs)


def edges(model: Transformer, examples: Examples, partners: Examples) -> Edges:
    """How much of the difference between each example and its partner passes along each direct edge.

    A mean over all answers that differ; `edge_effects` keeps them apart.
    """
    return edge_effects(model, examples, partners).pooled


@torch.no_grad()
def edge_effects(model: Transformer, examples: Examples, partners: Examples) -> EdgeEffects:
    """How much of the difference between each example and its partner passes along each direct edge.

    Pairs stand in the same row and should differ in what matters only, so that positions line up. An effect
    is the fall of the logit of the example's truth over that of its partner's, where the two differ (of
    sets: the sum over the classes that only one of the two has). Effects need not add up to the gap: later
    edges carry again what earlier ones did. A head receives through its queries, keys and values together.
    Raises ValueError if no answer differs, or the pairs are answered at different places.
    """
    examples, partners = examples.to(model.W_E.device), partners.to(model.W_E.device)
    if (
        not torch.equal(examples.answered, partners.answered)
        or not (examples.labels != partners.labels).any()
    ):
        raise ValueError("pairs need answers at the same places, and some that differ")
    sign = differing(examples.labels, partners.labels, model.config.d_vocab_out)
    differ = (sign != 0).any(-1)

    def towards(logits: Tensor, clean: Tensor, labels: Labels) -> Float[Tensor, "variant row"]:
        return (logits * sign).sum(-1)

    there, pairs = FromRun(partners.tokens, partners.position_ids), edge_names(model.config)
    patches = [_patch(model.config, *pair, there) for pair in pairs]
    found = sweep(model, examples, patches, towards)
    logits = answer_logits(model, partners).to(model.W_E.device)
    gaps = found.clean - towards(logits[None], logits, partners.labels)[0]
    effects, gaps = (found.clean - found.values)[:, differ], gaps[differ]
    numbers = examples.row_number[differ]
    return EdgeEffects(tuple(pairs), effects.cpu(), gaps.cpu(), numbers.cpu(), len(examples))


def edge_names(config: Config) -> list[tuple[Component, Component]]:
    """Every sender with every receiver that reads the stream after it has written."""
    parts = (EMBEDDING, *heads_and_mlps(config))
    found = [(sender, receiver) for receiver in parts[1:] for sender in parts if receiver.reads(sender)]
    return found + [(sender, ANSWER) for sender in parts]


def _patch(
    config: Config, sender: Component, receiver: Component, source: Source
) -> tuple[Intervention, ...]:
    """What gives the sender's output on other inputs to one receiver and to nobody else."""
    senders = (TOKEN, POSITION) if sender == EMBEDDING else (sender,)
    return tuple(path_patch(config, each, receiver, source) for each in senders)
