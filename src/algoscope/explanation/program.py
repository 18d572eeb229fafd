"""A program that answers inputs as a model does, from what each of its nodes is said to carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs, Language, read_inputs
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import PerHead, Steps
from algoscope.explanation.tables import Table, fitted
from algoscope.model.component import Component, heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Carried = Mapping[Node, Sequence[Concept]]
"""What each node carries, together; where that is nothing, its mean takes its place."""
HELD = 2**24
"""Numbers of one component's output that are held at a time: 64 MiB."""


@dataclass(frozen=True, eq=False)
class Step:
    """A node whose output is looked up."""

    node: Node
    factors: tuple[Concept, ...]
    table: Table


@dataclass(frozen=True, eq=False)
class Answered:
    """What a program answers."""

    logits: Float[Tensor, "row class"]
    unknown: float
    """Of all that was looked up, the share that no table had: a mean of more rows took its place."""


@dataclass(frozen=True, eq=False)
class Program:
    """Tables in place of a model's parts, added to its embedding, and read by its final norm."""

    model: Transformer
    language: Language
    steps: tuple[Step, ...]
    """In the order of the computation."""
    rest: Mapping[Component, Float[Tensor, "d"]]
    """What each component that is looked up puts out where it has no node: padding."""

    @property
    def looked_up(self) -> frozenset[Component]:
        """The components that are tables: the others are computed from what stands in the stream."""
        return frozenset(self.rest)

    def __call__(self, examples: Examples) -> Float[Tensor, "row class"]:
        """Logits at the answers."""
        return self.answer(examples).logits

    @torch.no_grad()
    def answer(self, examples: Examples) -> Answered:
        """Logits at the answers, and how much of what was looked up no table had."""
        config = self.model.config
        each = examples.tokens.shape[1] * max(config.d_model, config.n_heads * config.d_head)
        runs = [_Run.of(self, batch) for batch in examples.batches(max(1, HELD // each))]
        logits = [run.logits() for run in runs]
        asked = sum(run.asked for run in runs)
        none = self.model.W_U.new_zeros(0, config.d_vocab_out)
        return Answered(torch.cat([none, *logits]), sum(run.unknown for run in runs) / max(asked, 1))


def tables(pool: Pool, carried: Carried) -> Program:
    """Every part of the model as tables."""
    return program(pool, carried, heads_and_mlps(pool.model.config))


def heads(pool: Pool, carried: Carried) -> Program | None:
    """MLPs as tables; heads are computed from what stands in the stream.

    None for a model without MLPs: what computes all of its heads is the model.
    """
    mlps = [each for each in heads_and_mlps(pool.model.config) if each.head is None]
    return program(pool, carried, mlps) if mlps else None


def program(pool: Pool, carried: Carried, looked_up: Sequence[Component]) -> Program:
    """These components as tables of means over a pool; the others are computed from the stream."""
    codes = CodesOf(pool.inputs)
    steps = [
        Step(node, tuple(factors), _table(pool, node, factors, codes))
        for node, factors in sorted(carried.items(), key=lambda each: each[0].component)
        if node.component in looked_up and bool(node.place.of(pool.inputs).any())
    ]
    rest = {each: _rest(pool, each, [step.node for step in steps]) for each in looked_up}
    return Program(pool.model, pool.inputs.language, tuple(steps), rest)


def _table(pool: Pool, node: Node, factors: Sequence[Concept], codes: CodesOf) -> Table:
    where = node.place.of(pool.inputs)
    return fitted(codes.at(factors, where), pool.value(node.component)[where])


def _rest(pool: Pool, component: Component, nodes: Sequence[Node]) -> Float[Tensor, "d"]:
    """The mean output where a component has no node; zero if it has nodes everywhere."""
    left = torch.ones_like(pool.inputs.real)
    for node in nodes:
        if node.component == component:
            left &= ~node.place.of(pool.inputs)
    value = pool.value(component)
    return value[left].mean(0) if left.any() else value.new_zeros(value.shape[-1])


class CodesOf:
    """What concepts say of some inputs, each asked once."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._known: dict[Concept, Codes] = {}

    def at(self, factors: Sequence[Concept], where: Bool[Tensor, "batch seq"]) -> Tensor:
        """`[row factor]` at some places."""
        found = [self._of(factor)[where] for factor in factors]
        rows = torch.zeros(int(where.sum()), 0, dtype=torch.long, device=where.device)
        return torch.stack(found, 1).long() if found else rows

    def _of(self, concept: Concept) -> Codes:
        if concept not in self._known:
            self._known[concept] = concept.of(self.inputs).expand(self.inputs.tokens.shape)
        return self._known[concept]


@dataclass(eq=False)
class _Run:
    """A program on one batch."""

    program: Program
    examples: Examples
    codes: CodesOf
    forward: Steps
    asked: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, program: Program, examples: Examples) -> _Run:
        inputs = read_inputs(examples, program.language)
        return cls(program, examples, CodesOf(inputs), Steps.of(program.model, examples))

    def logits(self) -> Float[Tensor, "row class"]:
        model, forward = self.program.model, self.forward
        resid = forward.embedded(self.examples)
        for layer in range(model.config.n_layers):
            resid = forward.with_heads(layer, resid, self._heads(layer, resid))
            if model.config.d_mlp:
                found = self._looked_up(Component.mlp(layer))
                resid = resid + (forward.mlp(layer, resid) if found is None else found)
        return forward.logits(resid)

    def _heads(self, layer: int, resid: Tensor) -> PerHead:
        here = [
            each for each in heads_and_mlps(self.program.model.config) if each.layer == layer and each.head
        ]
        found = [self._looked_up(each) for each in here]
        computed = self.forward.heads(layer, resid) if any(each is None for each in found) else resid
        return torch.stack([computed[:, :, i] if each is None else each for i, each in enumerate(found)], 2)

    def _looked_up(self, component: Component) -> Tensor | None:
        """`[batch seq d]`; None for a component that is computed."""
        if component not in self.program.rest:
            return None
        found = self.program.rest[component].repeat(*self.examples.tokens.shape, 1)
        for step in self.program.steps:
            if step.node.component == component:
                where = step.node.place.of(self.codes.inputs)
                values, known = step.table(self.codes.at(step.factors, where))
                found[where] = values
                self.asked += len(known)
                self.unknown += int((~known).sum())
        return found
