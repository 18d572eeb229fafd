"""Is a stated circuit, with what each of its nodes is said to depend on, what the model does?

Causal scrubbing: every node of the hypothesis is given, in place of what its sender wrote on this input, what
the sender writes on another input that agrees on the sender's concept; and what the sender read there is
resampled in turn, down to the embeddings. Whatever is not in the hypothesis comes from an input drawn at
random. If the hypothesis is right, none of this changes the answers. Source: Chan et al. 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.discovery.circuits.graph import LETTERS, Edge, Graph
from algoscope.discovery.circuits.lengths import without_rest
from algoscope.discovery.circuits.replaced import written
from algoscope.discovery.effects import Interval, intervals
from algoscope.errors import UserError
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, Input
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import divergence, right
from algoscope.tasks.task import Examples

Concept = Int[Tensor, "batch"] | Int[Tensor, "batch part"]
"""What of each input matters: inputs with the same numbers may stand for each other."""

MOST_STEPS = 20_000
"""Of resampling one sender on one path: some minutes."""


@dataclass(frozen=True)
class Hypothesis:
    """Edges that matter, and what of an input each of their senders is said to depend on."""

    edges: frozenset[Edge]
    concepts: Mapping[Component, str]
    """The name of a concept of the task, for each sender; one that has none depends on everything."""

    @cached_property
    def senders(self) -> tuple[Component, ...]:
        """Every sender of an edge, in the order of the computation."""
        return tuple(sorted({edge.sender for edge in self.edges}))


@dataclass(frozen=True)
class Survival:
    """What is left of a model's behaviour when all is resampled of which a hypothesis says that it may be."""

    accuracy: Interval
    same: Interval
    """Share of answers that are the model's own."""
    kl: Interval
    """From the whole model's answers, in nats."""
    gained: Mapping[Component, float]
    """By how much the KL falls if one sender is not resampled: the most damaging step has the most."""
    alone: Mapping[Component, float]
    """Share of inputs that no other input agrees with on this sender's concept: these test nothing."""

    @property
    def worst(self) -> Component | None:
        """The step that loses most, if one loses anything."""
        losing = {each: by for each, by in self.gained.items() if by > 0}
        return max(losing, key=lambda each: losing[each]) if losing else None


@torch.no_grad()
def scrub(model: Transformer, examples: Examples, hypothesis: Hypothesis, seed: int = 0) -> Survival:
    """What survives, with 95 % intervals over examples.

    All examples need one length and the same answered places. Raises UserError for those that don't, for
    edges that the model does not have, and for concepts that the task does not give.
    """
    examples = examples.to(model.W_E.device)
    scrubbed = _Scrubbed(model, examples, hypothesis, seed)
    whole, logits = scrubbed.whole, scrubbed.logits(frozenset())
    labels, sets = examples.labels, examples.sets
    rows = torch.stack(
        (
            right(logits, labels).double(),
            right(logits, whole > 0 if sets else whole.argmax(-1)).double(),
            divergence(logits, whole, sets).double(),
        )
    )
    accuracy, same, kl = intervals(rows.cpu(), examples.to("cpu"))
    gained = {
        sender: kl.mean - float(divergence(scrubbed.logits(frozenset({sender})), whole, sets).double().mean())
        for sender in hypothesis.senders
    }
    return Survival(accuracy, same, kl, gained, scrubbed.alone)


class _Scrubbed:
    """One model and hypothesis on inputs, each of which may be swapped for another."""

    def __init__(self, model: Transformer, examples: Examples, hypothesis: Hypothesis, seed: int) -> None:
        self.model, self.examples, self.hypothesis, self.seed = model, examples, hypothesis, seed
        self.graph = Graph(model.config)
        self.graph.mask(hypothesis.edges)
        _refuse_many(hypothesis)
        _refuse_uneven(model, examples)
        self.groups = {sender: self._groups(sender) for sender in hypothesis.senders}
        # Which inputs agree is asked of whole inputs; what is behind the answer need not be run.
        self.examples = examples = without_rest(model.config, examples)
        self.taps = Taps(model.sites)
        self.outputs: dict[Component, Tensor] = dict(
            zip(self.graph.senders, written(model, examples).outputs, strict=True)
        )
        whole = model(examples.tokens, examples.position_ids)
        self.whole: Tensor = whole[examples.answered]

    @property
    def alone(self) -> dict[Component, float]:
        """Share of inputs that are the only one of their group."""
        return {
            sender: float((torch.bincount(group)[group] == 1).double().mean())
            for sender, group in self.groups.items()
        }

    def logits(self, spared: frozenset[Component]) -> Float[Tensor, "row class"]:
        """The answers with every sender resampled but those that are spared."""
        self.generator = torch.Generator().manual_seed(self.seed)
        self.spared = spared
        every = torch.arange(len(self.examples), device=self.examples.tokens.device)
        stream = self._read(ANSWER, "in", every)
        logits: Tensor = self.model.read_out(stream, self.taps)[self.examples.answered]
        return logits

    def _groups(self, sender: Component) -> Int[Tensor, "batch"]:
        """Which inputs may stand for each other: those that agree on the sender's concept."""
        name = self.hypothesis.concepts.get(sender)
        if name is None:
            values = self.examples.tokens
        elif name in self.examples.concepts:
            values = self.examples.concepts[name]
        else:
            have = ", ".join(self.examples.concepts) or "none"
            raise UserError(f"{sender} is said to depend on {name!r}: the task's concepts are {have}")
        groups: Tensor = values.reshape(len(values), -1).unique(dim=0, return_inverse=True)[1]
        return groups

    def _partners(self, sender: Component, inputs: Int[Tensor, "batch"]) -> Int[Tensor, "batch"]:
        """For each of these inputs one that agrees with it, itself if there is no other."""
        if sender in self.spared:
            return inputs
        group = self.groups[sender]
        order = torch.rand(len(inputs), len(group), generator=self.generator).to(inputs.device)
        order[group[None] != group[inputs][:, None]] = -1
        order[torch.arange(len(inputs)), inputs] = -0.5
        return order.argmax(1)

    def _read(self, receiver: Component, letter: Input, inputs: Int[Tensor, "batch"]) -> Tensor:
        """What a receiver reads: of the hypothesis, from inputs that agree; the rest from any input."""
        drawn = torch.randint(len(self.examples), (len(inputs),), generator=self.generator)
        any_input = drawn.to(inputs.device)
        total = self._bias(receiver).expand(*self.examples.tokens.shape, -1)
        for edge in self.graph.edges[self.graph.inputs[receiver, letter]]:
            if edge in self.hypothesis.edges:
                total = total + self._output(edge.sender, self._partners(edge.sender, inputs))
            else:
                total = total + self.outputs[edge.sender][any_input]
        return total

    def _bias(self, receiver: Component) -> Tensor:
        """Output biases of attention in all layers before."""
        layers = self.model.config.n_layers if receiver == ANSWER else receiver.layer
        own = receiver.head is None and receiver != ANSWER
        return self.model.b_O[: layers + own].sum(0)

    def _output(self, sender: Component, inputs: Int[Tensor, "batch"]) -> Tensor:
        """What a sender writes on these inputs, what it reads being resampled in turn."""
        if sender in (TOKEN, POSITION):
            embedded: Tensor = self.outputs[sender][inputs]
            return embedded
        block = self.model.block(sender.layer)
        if sender.head is None:
            assert block.mlp is not None
            assert block.ln2 is not None
            output: Tensor = block.mlp(block.ln2(self._read(sender, "in", inputs), self.taps), self.taps)
            return output
        attn, index = block.attn, sender.index
        q, k, v = (
            block.ln1(self._read(sender, letter, inputs), self.taps)
            @ getattr(attn, f"W_{letter.upper()}")[index]
            + getattr(attn, f"b_{letter.upper()}")[index]
            for letter in LETTERS
        )
        bias = self.model.attention_bias(self.examples.tokens)
        mask = None if bias is None else bias[:, 0]
        mixed: Tensor = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask) @ attn.W_O[index]
        return mixed


def alike(model: Transformer, examples: Examples) -> Examples:
    """Those of the most common length and answered places: they may stand in each other's place."""
    _, which, counts = _layout(model, examples).unique(dim=0, return_inverse=True, return_counts=True)
    return examples[which == counts.argmax()]


def _layout(model: Transformer, examples: Examples) -> Bool[Tensor, "batch place"]:
    """Where each input is answered, and where it is padding."""
    pad = model.config.pad_token
    return examples.answered if pad is None else torch.cat((examples.answered, examples.tokens == pad), 1)


def _refuse_many(hypothesis: Hypothesis) -> None:
    """Raises UserError for a hypothesis whose paths are too many to resample each, again for every sender."""
    paths = {ANSWER: 1}
    for sender in reversed(hypothesis.senders):
        readers = [edge.receiver for edge in hypothesis.edges if edge.sender == sender]
        paths[sender] = sum(paths.get(reader, 0) for reader in readers)
    steps = (sum(paths.values()) - 1) * (len(hypothesis.senders) + 1)
    if steps > MOST_STEPS:
        raise UserError(
            f"the hypothesis has {steps:,} steps, since each path to the answer is resampled by itself, once "
            f"more for every sender: give fewer edges, so that there are at most {MOST_STEPS:,}"
        )


def _refuse_uneven(model: Transformer, examples: Examples) -> None:
    """Raises UserError for inputs that can't stand in each other's place."""
    layout = _layout(model, examples)
    if not (layout == layout[:1]).all():
        raise UserError(
            "causal scrubbing swaps inputs: give examples of one length, answered at the same places"
        )
