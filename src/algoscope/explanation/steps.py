"""A model's forward pass, one part at a time, so that a part's output can be put in another's place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.model.layers import Bias, Stream
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

PerHead = Float[Tensor, "batch seq head d_head"]

Replaced = Callable[[Component, Tensor], Tensor]
"""What a component puts out, `[batch seq d]`, to what is put in its place."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The parts of one model on one batch. A stream goes in and comes out; nothing is kept."""

    model: Transformer
    bias: Bias
    answered: Bool[Tensor, "batch seq"]
    tap: Taps

    @cached_property
    def at(self) -> Int[Tensor, "position"] | None:
        """Where answers are read, if that is a few positions, the same in every input: others end unread."""
        where = self.answered.any(0)
        same = len(self.answered) > 0 and bool((self.answered == where).all())
        return where.nonzero()[:, 0] if same and 2 * int(where.sum()) <= len(where) else None

    @classmethod
    def of(cls, model: Transformer, examples: Examples) -> Steps:
        tokens = examples.tokens
        return cls(model, model.attention_bias(tokens), examples.answered, Taps(model.sites))

    def embedded(self, examples: Examples) -> Stream:
        """The stream before the first layer."""
        return self.model.embedded(examples.tokens, self.tap, examples.position_ids)

    def heads(self, layer: int, resid: Stream) -> PerHead:
        """What the heads of a layer mix (`hook_z`)."""
        block = self.model.block(layer)
        mixed: PerHead = block.attn(resid, block.ln1, self.bias, self.tap, None)
        return mixed

    def with_heads(self, layer: int, resid: Stream, z: PerHead) -> Stream:
        """The stream after the heads have written."""
        return resid + self.model.block(layer).attn.write(z, self.tap)

    def mlp(self, layer: int, mid: Stream) -> Stream:
        """What the MLP of a layer writes. Only for models that have MLPs."""
        block = self.model.block(layer)
        assert block.mlp is not None
        assert block.ln2 is not None
        written: Stream = block.mlp(block.ln2(mid, self.tap), self.tap)
        return written

    def run(self, resid: Stream, replaced: Replaced) -> Float[Tensor, "row class"]:
        """Logits at the answers from the stream before the layers, each output replaced before it is read."""
        for layer in range(self.model.config.n_layers):
            heads = [
                replaced(Component.of(Head(layer, index)), value)
                for index, value in enumerate(self.heads(layer, resid).unbind(2))
            ]
            resid = self.with_heads(layer, resid, torch.stack(heads, 2))
            if self.model.config.d_mlp:
                resid = resid + replaced(Component.mlp(layer), self.mlp(layer, resid))
        return self.logits(resid)

    def after(self, layer: int, resid: Stream) -> Float[Tensor, "row class"]:
        """Logits at the answers from the stream after a layer."""
        last = self.model.config.n_layers - 1
        for later in range(layer + 1, last):
            resid = self.model.block(later)(resid, self.bias, self.tap)
        if layer == last:
            return self.logits(resid)
        if self.at is None:
            return self.logits(self.model.block(last)(resid, self.bias, self.tap))
        return self._read(self.model.block(last)(resid, self.bias, self.tap, self.at))

    def after_heads(self, layer: int, mid: Stream) -> Float[Tensor, "row class"]:
        """Logits at the answers from the stream between the heads and the MLP of a layer."""
        block = self.model.block(layer)
        if layer == self.model.config.n_layers - 1 and self.at is not None:
            return self._read(block.from_resid_mid(mid[:, self.at], self.tap))
        return self.after(layer, block.from_resid_mid(mid, self.tap))

    def _read(self, resid: Stream) -> Float[Tensor, "row class"]:
        """Logits from the stream at the positions `at` alone: example by example, as rows are."""
        return self.model.read_out(resid.flatten(0, 1), self.tap)

    def logits(self, resid: Stream) -> Float[Tensor, "row class"]:
        """Logits at the answers from the stream after the last layer."""
        return self.model.read_out(resid[self.answered], self.tap)


@torch.no_grad()
def outputs(model: Transformer, examples: Examples) -> tuple[list[PerHead], list[Stream], Tensor]:
    """What every head and MLP puts out on these examples, layer by layer, and the logits at the answers."""
    steps = Steps.of(model, examples)
    resid = steps.embedded(examples)
    heads, mlps = [], []
    for layer in range(model.config.n_layers):
        heads.append(steps.heads(layer, resid))
        resid = steps.with_heads(layer, resid, heads[-1])
        if model.config.d_mlp:
            mlps.append(steps.mlp(layer, resid))
            resid = resid + mlps[-1]
    return heads, mlps, steps.logits(resid)
