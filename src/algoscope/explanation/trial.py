"""What happens to the answers if parts of a model put out what they put out elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import PerHead, Steps
from algoscope.model.component import Component
from algoscope.model.layers import Stream
from algoscope.tasks.answers import divergence
from algoscope.tasks.task import Examples


@dataclass(frozen=True)
class Change:
    """How far the answers moved from the model's own."""

    kl: float
    """From the model's answers, in nats, mean over answers."""
    changed: float
    """Share of inputs of which some answer is another."""

    def less(self, other: Change) -> Change:
        """What this moved beyond another."""
        return Change(self.kl - other.kl, self.changed - other.changed)


@dataclass(frozen=True, eq=False)
class Bench:
    """The first inputs of a pool, on which changes are tried, and the model's answers to them."""

    pool: Pool
    examples: Examples
    steps: Steps
    logits: Float[Tensor, "row class"]

    @classmethod
    def of(cls, pool: Pool, count: int) -> Bench:
        examples = pool.examples[:count]
        return cls(pool, examples, Steps.of(pool.model, examples), pool.logits[: len(examples.labels)])

    def __len__(self) -> int:
        return len(self.examples)

    def change(self, logits: Float[Tensor, "row class"]) -> Change:
        """How far these answers are from the model's."""
        sets = self.examples.sets
        kl = divergence(logits, self.logits, sets).mean()
        return Change(float(kl), float((~same_inputs(logits, self.logits, self.examples)).double().mean()))


def decisions(logits: Float[Tensor, "row class"], sets: bool) -> Tensor:
    """What is answered: a class, or a yes or no for each."""
    return logits > 0 if sets else logits.argmax(-1)


def same_inputs(
    logits: Float[Tensor, "row class"], others: Float[Tensor, "row class"], examples: Examples
) -> Bool[Tensor, "batch"]:
    """Of which inputs every answer is the same."""
    differs = decisions(logits, examples.sets) != decisions(others, examples.sets)
    wrong = differs.reshape(len(differs), -1).any(1)
    counts = torch.zeros(len(examples), device=logits.device).index_add_(
        0, examples.row_example, wrong.float()
    )
    return counts == 0


@dataclass(frozen=True, eq=False)
class Stage:
    """A run that has got as far as a layer's heads, or its MLP."""

    bench: Bench
    layer: int
    stream: Stream
    """Before what is put out here is added."""
    own: Tensor
    """What the heads mix (`[batch seq head d_head]`) or the MLP writes, as this run computes it."""
    heads: bool

    def put(self, component: Component, where: Bool[Tensor, "batch seq"], values: Tensor) -> Stage:
        """The same, with other outputs of a component at some places."""
        own = self.own.clone()
        if component.head is not None:
            own[:, :, component.index][where] = values
        else:
            own[where] = values
        return replace(self, own=own)

    @cached_property
    def change(self) -> Change:
        """How far the answers move if the run goes on from here as the model does."""
        steps, stream = self.bench.steps, self.stream
        if self.heads:
            logits = steps.after_heads(self.layer, steps.with_heads(self.layer, stream, self.own))
        else:
            logits = steps.after(self.layer, stream + self.own)
        return self.bench.change(logits)

    def next(self) -> Stage | None:
        """The next stage; None after the last."""
        steps, config = self.bench.steps, self.bench.pool.model.config
        if self.heads:
            stream = steps.with_heads(self.layer, self.stream, self.own)
            if config.d_mlp:
                return Stage(self.bench, self.layer, stream, steps.mlp(self.layer, stream), heads=False)
        else:
            stream = self.stream + self.own
        layer = self.layer + 1
        if layer == config.n_layers:
            return None
        return Stage(self.bench, layer, stream, steps.heads(layer, stream), heads=True)


def first_stage(bench: Bench) -> Stage:
    """The run before the first layer's heads have written."""
    stream = bench.steps.embedded(bench.examples)
    return Stage(bench, 0, stream, bench.steps.heads(0, stream), heads=True)


@dataclass(frozen=True, eq=False)
class Rows:
    """Where a node is in a pool: its rows, with what it puts out at each."""

    node: Node
    where: Bool[Tensor, "batch seq"]
    """Of the pool."""
    values: Float[Tensor, "row d"]
    identity: Int[Tensor, "row"]
    tested: int
    """How many of the rows, the first ones, belong to the bench."""


def rows(bench: Bench, node: Node, identity: Int[Tensor, "batch seq"]) -> Rows:
    """The rows of a node."""
    where = node.place.of(bench.pool.inputs)
    values = bench.pool.value(node.component)[where]
    return Rows(node, where, values, identity[where], int(where[: len(bench)].sum()))
