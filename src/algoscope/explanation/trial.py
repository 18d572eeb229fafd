"""What happens to the answers if parts of a model put out what they put out elsewhere?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import all_right
from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import Steps
from algoscope.model.component import Component
from algoscope.model.layers import Stream
from algoscope.tasks.answers import divergence
from algoscope.tasks.task import Examples

WAVER = 0.02
"""Nats an answer: one that moves less has not been decided otherwise, whichever class is now ahead."""


@dataclass(frozen=True)
class Change:
    """How far the answers moved from the model's own."""

    kl: float
    """From the model's answers, in nats, mean over answers."""
    changed: float
    """Share of inputs of which some answer is another, and not by a hair."""

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
        """How far these answers are from the model's; where it wavers between two, either will do."""
        kl = divergence(logits, self.logits, self.examples.sets)
        logits = torch.where((kl > WAVER)[:, None], logits, self.logits)
        same = same_inputs(logits, self.logits, self.examples)
        return Change(float(kl.mean()), float((~same).double().mean()))


def decisions(logits: Float[Tensor, "row class"], sets: bool) -> Tensor:
    """What is answered: a class, or a yes or no for each."""
    return logits > 0 if sets else logits.argmax(-1)


def same_answers(
    logits: Float[Tensor, "row class"], others: Float[Tensor, "row class"], sets: bool
) -> Bool[Tensor, "row"]:
    """Which answers are the same; of a set, in every class."""
    same = decisions(logits, sets) == decisions(others, sets)
    return same.reshape(len(same), -1).all(1)


def same_inputs(
    logits: Float[Tensor, "row class"], others: Float[Tensor, "row class"], examples: Examples
) -> Bool[Tensor, "batch"]:
    """Of which inputs every answer is the same."""
    return all_right(same_answers(logits, others, examples.sets), examples)


@dataclass(frozen=True, eq=False)
class Stage:
    """A run of a whole pool that has got as far as a layer's heads, or its MLP."""

    bench: Bench
    steps: Steps
    layer: int
    stream: Stream
    """Before what is put out here is added."""
    own: Tensor
    """What the heads mix (`[batch seq head d_head]`) or the MLP writes, as this run computes it."""
    heads: bool

    def value(self, component: Component) -> Float[Tensor, "batch seq d"]:
        """What one of the components puts out."""
        return self.own if component.head is None else self.own[:, :, component.index]

    def here(self, component: Component) -> bool:
        """Whether it is one of those that put out here."""
        return component.layer == self.layer and (component.head is not None) == self.heads

    def put(self, component: Component, where: Bool[Tensor, "batch seq"], values: Tensor) -> Stage:
        """The same, with other outputs of a component at some places."""
        return replace(self, own=_put(self.own, component, where, values))

    @cached_property
    def change(self) -> Change:
        """How far the answers to the bench's inputs have moved if the run goes on as the model does."""
        return self.bench.change(self._logits(self.own[: len(self.bench)]))

    def change_if(self, component: Component, where: Bool[Tensor, "batch seq"], values: Tensor) -> Change:
        """The same, with other outputs of a component at some places of the bench's inputs."""
        return self.bench.change(self.logits_if(component, where, values))

    def logits_if(
        self, component: Component, where: Bool[Tensor, "batch seq"], values: Tensor
    ) -> Float[Tensor, "row class"]:
        """What is then answered."""
        return self._logits(_put(self.own[: len(self.bench)], component, where, values))

    def _logits(self, own: Tensor) -> Float[Tensor, "row class"]:
        steps, stream = self.bench.steps, self.stream[: len(self.bench)]
        if self.heads:
            return steps.after_heads(self.layer, steps.with_heads(self.layer, stream, own))
        return steps.after(self.layer, stream + own)

    def next(self) -> Stage | None:
        """The next stage; None after the last."""
        steps, config = self.steps, self.bench.pool.model.config
        if self.heads:
            stream = steps.with_heads(self.layer, self.stream, self.own)
            if config.d_mlp:
                own = steps.mlp(self.layer, stream)
                return replace(self, stream=stream, own=own, heads=False)
        else:
            stream = self.stream + self.own
        layer = self.layer + 1
        if layer == config.n_layers:
            return None
        own = steps.heads(layer, stream)
        return replace(self, layer=layer, stream=stream, own=own, heads=True)


def _put(own: Tensor, component: Component, where: Tensor, values: Tensor) -> Tensor:
    own = own.clone()
    (own if component.head is None else own[:, :, component.index])[where] = values
    return own


def first_stage(bench: Bench) -> Stage:
    """The run before the first layer's heads have written."""
    steps = Steps.of(bench.pool.model, bench.pool.examples)
    stream = steps.embedded(bench.pool.examples)
    return Stage(bench, steps, 0, stream, steps.heads(0, stream), heads=True)


def stages(bench: Bench) -> Iterator[Stage]:
    """The model's own run, stage by stage."""
    stage: Stage | None = first_stage(bench)
    while stage is not None:
        yield stage
        stage = stage.next()
