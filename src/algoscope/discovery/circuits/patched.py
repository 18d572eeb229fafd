"""Runs of a model in which each edge carries what its sender wrote, or what stands in the edge's place.

What a receiver reads is `base + sum over senders of m · (written now - put in place)`, where `base` is the
stream with everything replaced and m, of each edge, is 1 where it is kept and 0 where it is cut. m may lie
between, and has a gradient. Many masks run as one batch: what several of them read alike is computed once,
and what nothing kept reads is not computed at all, so a small circuit runs faster than the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from algoscope.discovery.circuits.graph import Graph, Input
from algoscope.discovery.circuits.places import Places
from algoscope.discovery.circuits.replaced import Written
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component
from algoscope.model.head import Head
from algoscope.model.norms import Norm
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Kept = Float[Tensor, "variant edge"]
"""How much of each edge is kept: 1 for what the sender wrote, 0 for what is put in its place."""

Shares = Float[Tensor, "variant edge"] | Float[Tensor, "variant edge place"]
"""The same with the places of an edge apart, where there are several."""

Different = tuple[Int[Tensor, "different"], Int[Tensor, "variant"]]
"""One variant of each kind, and the kind of each variant."""

Stream = Float[Tensor, "different batch position d_model"]

HELD = 2**25
"""Numbers of the stream that are held at a time, over all variants: 128 MiB in float32."""


@dataclass(frozen=True, eq=False)
class Each:
    """A value for each variant, of which only the different ones are held."""

    values: Float[Tensor, "different batch seq d"]
    which: Int[Tensor, "variant"]

    def of(self, variants: Int[Tensor, "some"]) -> Float[Tensor, "#some batch seq d"]:
        """The values of these variants; a single one stands for all."""
        return self.values if len(self.values) == 1 else self.values[self.which[variants]]


@dataclass(frozen=True, eq=False)
class Patched:
    """A model on some inputs, with what is put in the place of what an edge carries."""

    model: Transformer
    examples: Examples
    """On the model's device."""
    replaced: Written
    """What stands in the place of each sender's output."""
    places: Places | None = None
    """For edges that are told apart by where they are read."""
    scales: Mapping[str, Tensor] = field(default_factory=dict)
    """Scales at which norms are frozen, by site; none for norms that are computed anew."""

    @cached_property
    def graph(self) -> Graph:
        return Graph(self.model.config, self.places.names if self.places else ("",))

    def logits(self, kept: Kept) -> Float[Tensor, "variant row class"]:
        """The logits at each answer with these shares of the edges kept."""
        return Run(self, kept).logits()

    def in_parts(self, kept: Kept) -> Iterator[tuple[slice, Float[Tensor, "part row class"]]]:
        """The logits of many masks, a part at a time, so that memory does not grow with their number."""
        each = len(self.graph.senders) * self.examples.tokens.numel() * self.model.config.d_model
        size = max(1, HELD // each)
        for start in range(0, len(kept), size):
            part = slice(start, start + size)
            yield part, self.logits(kept[part])

    @cached_property
    def bias(self) -> Float[Tensor, "#batch #query key"] | None:
        bias = self.model.attention_bias(self.examples.tokens)
        return None if bias is None else bias[:, 0]

    @cached_property
    def embedded(self) -> tuple[Tensor, Tensor]:
        """The token and the position embedding of each place."""
        token = self.model.W_E[self.examples.tokens.long()]
        taps = Taps(self.model.sites)
        return token, self.model.embedded(self.examples.tokens, taps, self.examples.position_ids) - token


class Run:
    """One batch of masks on its way through the model."""

    def __init__(self, patched: Patched, kept: Kept) -> None:
        self.patched, self.model, self.graph = patched, patched.model, Graph(patched.model.config)
        self.kept: Shares = kept.unflatten(1, (len(self.graph.edges), -1)) if patched.places else kept
        self.reads: dict[tuple[Component, Input], Each] = {}
        """What each receiver read; the last layer's queries and what is after them at the answers alone."""
        self.outputs: list[Each | None] = []
        self.base = torch.zeros_like(patched.replaced.outputs[0])
        self.at: Int[Tensor, "position"] | None = None
        self.heard = self._heard()

    def logits(self) -> Float[Tensor, "variant row class"]:
        """The logits at each answer."""
        config, model = self.model.config, self.model
        every = torch.zeros(len(self.kept), dtype=torch.long, device=self.base.device)
        for part, value in zip((TOKEN, POSITION), self.patched.embedded, strict=True):
            self._write(part, Each(value[None], every))
        for layer in range(config.n_layers):
            heads = [Component.of(Head(layer, index)) for index in range(config.n_heads)]
            seen = {head: self._seen(head) for head in heads if head in self.heard}
            if layer == config.n_layers - 1:
                self._narrow()
            found = [self._head(head, *seen[head]) if head in seen else None for head in heads]
            for head, output in zip(heads, found, strict=True):
                self._write(head, output)
            self.base = self.base + model.block(layer).attn.b_O
            if config.d_mlp:
                mlp = Component.mlp(layer)
                self._write(mlp, self._mlp(mlp) if mlp in self.heard else None)
        read = self._read(ANSWER, "in")
        return self._answers(read.values)[read.which]

    def _heard(self) -> set[Component]:
        """Components from which, in some mask, something may get to the answer."""
        heard = {ANSWER}
        for number in reversed(_any_place(self.kept).any(0).nonzero()[:, 0].tolist()):
            if self.graph.edges[number].receiver in heard:
                heard.add(self.graph.edges[number].sender)
        return heard

    def _write(self, sender: Component, output: Each | None) -> None:
        """The output of the next sender; None if nobody hears it."""
        instead = self._here(self.patched.replaced.outputs[len(self.outputs)])
        self.base = self.base + instead
        self.outputs.append(None if output is None else Each(output.values - instead, output.which))

    def _here(self, value: Shaped[Tensor, "batch seq *rest"]) -> Shaped[Tensor, "batch position *rest"]:
        """At the positions that are still run."""
        return value if self.at is None else value[:, self.at]

    def _narrow(self) -> None:
        """From here on only answered positions are run: nobody reads the others any more."""
        self.at = self.patched.examples.answer_positions
        self.base = self._here(self.base)
        self.outputs = [
            None if each is None else Each(each.values[:, :, self.at], each.which) for each in self.outputs
        ]

    def _read(self, receiver: Component, letter: Input) -> Each:
        """What a receiver reads."""
        kept = self.kept[:, self.graph.inputs[receiver, letter]]
        chosen, which = self._different(kept)
        shares = kept[chosen]
        read = self.base.expand(len(chosen), *self.patched.examples.tokens.shape[:1], *self.base.shape[1:])
        for number, output in enumerate(self.outputs):
            share = shares[:, number]
            if output is None or not bool((share != 0).any()):
                continue
            read = torch.addcmul(read, self._spread(share), output.of(chosen))
        self.reads[receiver, letter] = Each(read, which)
        return self.reads[receiver, letter]

    def _spread(self, share: Float[Tensor, "some"] | Float[Tensor, "some place"]) -> Tensor:
        """A share for each place in the stream."""
        if self.patched.places is None:
            return share[:, None, None, None]
        return share[:, self._here(self.patched.places.where)][..., None]

    def _different(self, kept: Shares) -> Different:
        """Variants of which no two read the same here, and which of them each variant is like."""
        nobody = torch.zeros(len(kept), dtype=torch.long, device=kept.device)
        which = torch.stack([nobody if each is None else each.which for each in self.outputs], 1)
        # Outputs that are cut don't matter, however they differ.
        read = torch.where(_any_place(kept), which, -1)
        return different(torch.cat((kept.detach().flatten(1), read.to(kept)), 1))

    def _seen(self, head: Component) -> tuple[Each, Each]:
        """A head's keys and values."""
        return self._projected(head, "k"), self._projected(head, "v")

    def _projected(self, head: Component, letter: Input) -> Each:
        """A head's queries, keys or values, from what it reads for them."""
        read, block = self._read(head, letter), self.model.block(head.layer)
        weight, bias = (getattr(block.attn, f"{kind}_{letter.upper()}")[head.index] for kind in "Wb")
        normed = self._normed(block.ln1, f"blocks.{head.layer}.ln1", read.values)
        return Each(normed @ weight + bias, read.which)

    def _head(self, head: Component, keys: Each, values: Each) -> Each:
        """What a head writes."""
        parts = (self._projected(head, "q"), keys, values)
        chosen, which = different(torch.stack([part.which for part in parts], 1))
        bias = self.patched.bias
        if bias is not None and self.at is not None and bias.shape[1] > 1:
            bias = bias[:, self.at]
        q, k, v = (part.of(chosen) for part in parts)
        z = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return Each(z @ self.model.block(head.layer).attn.W_O[head.index], which)

    def _mlp(self, mlp: Component) -> Each:
        """What an MLP writes."""
        read, block = self._read(mlp, "in"), self.model.block(mlp.layer)
        assert block.mlp is not None
        assert block.ln2 is not None
        normed = self._normed(block.ln2, f"blocks.{mlp.layer}.ln2", read.values)
        return Each(block.mlp(normed, Taps(self.model.sites)), read.which)

    def _answers(self, stream: Stream) -> Float[Tensor, "different row class"]:
        """The logits at each answer."""
        normed = self._normed(self.model.ln_final, "ln_final", stream)
        rows = normed[:, self._here(self.patched.examples.answered)]
        logits: Tensor = rows @ self.model.W_U + self.model.b_U
        return logits

    def _normed(self, norm: Norm, name: str, stream: Stream) -> Stream:
        """The stream through a norm, whose scale may be frozen."""
        site = f"{name}.hook_scale"
        if site not in self.patched.scales:
            return norm.normalize(stream)
        scale = self._here(self.patched.scales[site])
        taps = Taps(self.model.sites, [(site, lambda value, _: scale.expand_as(value))])
        frozen: Tensor = norm(stream, taps)
        return frozen


def _any_place(kept: Shares) -> Bool[Tensor, "variant edge"]:
    """Where something of an edge is kept, at some place."""
    some = kept.detach() != 0
    return some if some.ndim == 2 else some.any(2)


def different(keys: Shaped[Tensor, "variant part"]) -> Different:
    """One variant of each kind, kinds being told apart by their rows of keys; and each variant's kind."""
    if len(keys) == 1:
        first = torch.zeros(1, dtype=torch.long, device=keys.device)
        return first, first
    kinds, which = keys.unique(dim=0, return_inverse=True)
    chosen = torch.empty(len(kinds), dtype=torch.long, device=keys.device)
    chosen[which] = torch.arange(len(keys), device=keys.device)
    return chosen, which
