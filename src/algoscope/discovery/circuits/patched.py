"""Runs of a model in which each edge carries what its sender wrote, or what stands in the edge's place.

What a receiver reads is `base + sum over senders of m · (written now - put in place)`, where `base` is the
stream with everything replaced and m, of each edge, is 1 where it is kept and 0 where it is cut. m may lie
between, and has a gradient. Many masks run as one batch: what several of them read alike is computed once,
and what nothing kept reads is not computed at all, so a small circuit runs faster than the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from algoscope.discovery.circuits.graph import LETTERS, Graph, Input
from algoscope.discovery.circuits.lengths import groups, lengths
from algoscope.discovery.circuits.places import Places
from algoscope.discovery.circuits.replaced import Written
from algoscope.discovery.circuits.variants import Each, different
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component
from algoscope.model.head import Head
from algoscope.model.layers import Norm
from algoscope.model.sites import Site, Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Kept = Float[Tensor, "variant edge"]
"""How much of each edge is kept: 1 for what the sender wrote, 0 for what is put in its place."""

Shares = Float[Tensor, "variant edge"] | Float[Tensor, "variant edge place"]
"""The same with the places of an edge apart, where there are several."""

Stream = Float[Tensor, "different batch position d_model"]

Reader = tuple[Component, Input]
"""A receiver, and through what it reads."""

TOGETHER = 2**14
"""Numbers in the stream of the inputs that are run together: 64 KiB in float32, so that sums stay in cache."""
HELD = 2**25
"""Numbers of the stream that are held at a time, over all variants: 128 MiB in float32."""


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
        most = max(part.examples.tokens.numel() for part, _ in self.parts)
        size = max(1, HELD // (len(self.graph.senders) * most * self.model.config.d_model))
        for start in range(0, len(kept), size):
            these = slice(start, start + size)
            found = [part.logits(kept[these]) for part, _ in self.parts]
            yield these, torch.cat(found, 1)[:, self.rows]

    @cached_property
    def parts(self) -> list[tuple[Patched, Int[Tensor, "part"]]]:
        """Inputs of about the same length, without the positions that can't matter; and their numbers."""
        most = TOGETHER // self.model.config.d_model
        return [
            (self.part(numbers, length), numbers)
            for numbers, length in groups(lengths(self.model.config, self.examples), most)
        ]

    @cached_property
    def rows(self) -> Int[Tensor, "row"]:
        """Where the answer of each row stands among those of all parts."""
        number = torch.zeros_like(self.examples.answered, dtype=torch.long)
        number[self.examples.answered] = torch.arange(len(self.examples.labels), device=number.device)
        return torch.cat([part.examples.at_answers(number[some, : part.examples.tokens.shape[1]])
                          for part, some in self.parts]).argsort()  # fmt: skip

    def part(self, numbers: Int[Tensor, "part"], length: int) -> Patched:
        """The same on some of the inputs, of each only the first positions."""
        some, instead = self.examples[numbers], self.replaced.outputs
        ids = None if some.position_ids is None else some.position_ids[:, :length]
        return Patched(
            self.model,
            Examples(some.tokens[:, :length], some.labels, {}, some.answered[:, :length], ids),
            Written((instead if instead.shape[1] == 1 else instead[:, numbers])[:, :, :length].contiguous()),
            None if self.places is None else Places(self.places.names, self.places.where[numbers, :length]),
            {site: scale[numbers, :length] for site, scale in self.scales.items()},
        )

    @cached_property
    def bias(self) -> Float[Tensor, "#batch #query key"] | None:
        bias = self.model.attention_bias(self.examples.tokens)
        return None if bias is None else bias[:, 0]

    @cached_property
    def embedded(self) -> tuple[Tensor, Tensor]:
        """The token and the position embedding of each place."""
        found: list[Tensor] = []

        def keep(value: Tensor, _: Site) -> Tensor:
            found.append(value)
            return value

        taps = Taps(self.model.sites, [(site, keep) for site in ("hook_embed", "hook_pos_embed")])
        self.model.embedded(self.examples.tokens, taps, self.examples.position_ids)
        token, position = found
        return token, position


class Run:
    """One batch of masks on its way through the model."""

    def __init__(self, patched: Patched, kept: Kept) -> None:
        self.patched, self.model, self.graph = patched, patched.model, Graph(patched.model.config)
        self.kept: Shares = kept.unflatten(1, (len(self.graph.edges), -1)) if patched.places else kept
        self.reads: dict[Reader, Each] = {}
        """What each receiver read; the last layer's queries and what is after them at the answers alone.

        With gradients no two receivers share a value.
        """
        self.outputs: list[Each | None] = []
        shape = (*patched.examples.tokens.shape, self.model.config.d_model)
        self.base = patched.replaced.outputs.new_zeros(shape)
        nobody = torch.zeros(len(kept), dtype=torch.long, device=kept.device)
        mostly = not kept.requires_grad and bool((kept == 1).float().mean() > 0.5)
        self.whole = Each(torch.zeros_like(self.base)[None], nobody) if mostly else None
        """The sum of all outputs, where masks keep most of them."""
        self.at: Int[Tensor, "position"] | None = None
        self.heard = self._heard()

    def logits(self) -> Float[Tensor, "variant row class"]:
        """The logits at each answer."""
        config, model = self.model.config, self.model
        every = torch.zeros(len(self.kept), dtype=torch.long, device=self.base.device)
        for part, value in zip((TOKEN, POSITION), self.patched.embedded, strict=True):
            self._write(part, Each(value[None], every))
        for layer in range(config.n_layers):
            for head, output in self._heads(layer).items():
                self._write(head, output)
            self.base = self.base + model.block(layer).attn.b_O
            if config.d_mlp:
                mlp = Component.mlp(layer)
                self._write(mlp, self._mlp(mlp) if mlp in self.heard else None)
        read = self._read([(ANSWER, "in")], model.ln_final, "ln_final")[ANSWER, "in"]
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
        moved = None if output is None else Each(output.values - instead, output.which)
        # What carries the same either way is no different when it is cut.
        if moved is not None and len(moved.values) == 1 and not bool(moved.values.any()):
            moved = None
        self.outputs.append(moved)
        if self.whole is not None and moved is not None:
            self.whole = self.whole.plus(moved)

    def _here(self, value: Shaped[Tensor, "batch seq *rest"]) -> Shaped[Tensor, "batch position *rest"]:
        """At the positions that are still run."""
        return value if self.at is None else value[:, self.at]

    def _narrow(self) -> None:
        """From here on only answered positions are run: nobody reads the others any more."""
        self.at = self.patched.examples.answer_positions
        self.base = self._here(self.base)
        narrowed = [
            None if each is None else Each(each.values[:, :, self.at], each.which)
            for each in (*self.outputs, self.whole)
        ]
        *self.outputs, self.whole = narrowed

    def _read(self, readers: Sequence[Reader], norm: Norm, name: str) -> dict[Reader, Each]:
        """What several readers of the same senders read, behind their norm."""
        kinds = torch.stack([_kinds(each, self.kept) for each in self.outputs], 1).repeat(len(readers), 1)
        kept = torch.cat([self.kept[:, self.graph.inputs[reader]] for reader in readers])
        written = (kinds >= 0).to(kept)
        kept = kept * (written if kept.ndim == 2 else written[..., None])
        # Outputs that are cut don't matter, however they differ.
        keys = torch.cat((kept.detach().flatten(1), torch.where(_any_place(kept), kinds, -1).to(kept)), 1)
        if kept.requires_grad:
            own = torch.arange(len(readers), device=keys.device).repeat_interleave(len(self.kept))
            keys = torch.cat((keys, own[:, None].to(keys)), 1)
        chosen, which = different(keys)
        values = self._sums(kept[chosen], kinds[chosen], chosen % len(self.kept))
        normed, found = self._normed(norm, name, values), which.view(len(readers), -1)
        self.reads |= {reader: Each(values, its) for reader, its in zip(readers, found, strict=True)}
        return {reader: Each(normed, its) for reader, its in zip(readers, found, strict=True)}

    def _sums(
        self,
        shares: Shares,
        kinds: Int[Tensor, "different sender"],
        variants: Int[Tensor, "different"],
    ) -> Stream:
        """The stream with these shares of these of each sender's outputs, read by these variants."""
        silent, rows = kinds < 0, [self.base] * len(shares)
        if self.whole is not None:
            ones = (shares == 1) if shares.ndim == 2 else (shares == 1).all(2)
            # Nearer to everything than to nothing: what is cut is taken from the sum.
            most = ((~ones).sum(1) < _any_place(shares).sum(1))[:, None] & ~silent
            shares = shares - (most if shares.ndim == 2 else most[..., None]).to(shares)
            for row in most.any(1).nonzero()[:, 0].tolist():
                rows[row] = self.base + self.whole.values[self.whole.which[variants[row]]]
        chosen = kinds.tolist()
        for row, sender in _any_place(shares).nonzero().tolist():
            output = self.outputs[sender]
            assert output is not None
            rows[row] = self._plus(rows[row], shares[row, sender], output.values[chosen[row][sender]])
        return torch.stack(rows)

    def _plus(self, stream: Tensor, share: Float[Tensor, ""] | Float[Tensor, "place"], value: Tensor) -> Tensor:
        """The stream with a share of a value."""
        if share.ndim:
            return torch.addcmul(stream, share[self._here(self.patched.places.where)][..., None], value)
        if share.requires_grad:
            return torch.addcmul(stream, share, value)
        return torch.add(stream, value, alpha=float(share))

    def _heads(self, layer: int) -> dict[Component, Each | None]:
        """What each head of a layer writes; None if nobody hears it."""
        heads = [Component.of(Head(layer, index)) for index in range(self.model.config.n_heads)]
        heard = [head for head in heads if head in self.heard]
        last = layer == self.model.config.n_layers - 1
        read: dict[Reader, Each] = {}
        for letters in (("k", "v"), ("q",)) if last else (LETTERS,):
            if last and letters == ("q",):
                self._narrow()
            if heard:
                readers = [(head, letter) for head in heard for letter in letters]
                read |= self._read(readers, self.model.block(layer).ln1, f"blocks.{layer}.ln1")
        return {head: self._head(head, read) if head in heard else None for head in heads}

    def _head(self, head: Component, read: Mapping[Reader, Each]) -> Each:
        """What a head writes."""
        attention, index = self.model.block(head.layer).attn, head.index
        q, k, v = (read[head, letter].used() for letter in LETTERS)
        q = Each(q.values @ attention.W_Q[index] + attention.b_Q[index], q.which)
        # Few queries ask the stream itself: keys and values need not be formed.
        few = self.at is not None and len(self.at) < self.model.config.d_head
        if few:
            q = Each(q.values @ attention.W_K[index].T, q.which)
        else:
            k = Each(k.values @ attention.W_K[index] + attention.b_K[index], k.which)
            v = Each(v.values @ attention.W_V[index] + attention.b_V[index], v.which)
        chosen, which = different(torch.stack([part.which for part in (q, k, v)], 1))
        bias = self.patched.bias
        if bias is not None and self.at is not None and bias.shape[1] > 1:
            bias = bias[:, self.at]
        z = functional.scaled_dot_product_attention(
            q.of(chosen), k.of(chosen), v.of(chosen), attn_mask=bias, scale=attention.d_head**-0.5
        )
        if few:
            z = z @ attention.W_V[index] + attention.b_V[index]
        return Each(z @ attention.W_O[index], which)

    def _mlp(self, mlp: Component) -> Each:
        """What an MLP writes."""
        block = self.model.block(mlp.layer)
        assert block.mlp is not None
        assert block.ln2 is not None
        read = self._read([(mlp, "in")], block.ln2, f"blocks.{mlp.layer}.ln2")[mlp, "in"]
        return Each(block.mlp(read.values, Taps(self.model.sites)), read.which)

    def _answers(self, normed: Stream) -> Float[Tensor, "different row class"]:
        """The logits at each answer."""
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


def _kinds(output: Each | None, kept: Shares) -> Int[Tensor, "variant"]:
    """Which of an output's values each variant has; -1 where there is none."""
    return torch.full_like(kept[:, 0] if kept.ndim == 2 else kept[:, 0, 0], -1, dtype=torch.long) if output is None else output.which
