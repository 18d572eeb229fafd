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
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from algoscope.discovery.circuits.graph import LETTERS, Graph
from algoscope.discovery.circuits.lengths import groups, lengths
from algoscope.discovery.circuits.places import Places
from algoscope.discovery.circuits.plan import Kept, Plan, Reader, Rows, Term
from algoscope.discovery.circuits.replaced import Written
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, Input
from algoscope.model.head import Head
from algoscope.model.norms import Norm
from algoscope.model.sites import Site, Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Stream = Float[Tensor, "different batch position d_model"]

TOGETHER, FEW = 2**14, 2**17
"""Numbers in the stream of the inputs that are run together: 64 KiB in float32, so that sums stay in cache.
Of few masks, whose work is less than what each part costs anyway, 512 KiB."""
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

    @cached_property
    def pairs(self) -> Graph:
        """The graph without places: an edge for each pair of a sender and an input."""
        return Graph(self.model.config) if self.places else self.graph

    def logits(self, kept: Kept) -> Float[Tensor, "variant row class"]:
        """The logits at each answer with these shares of the edges kept."""
        return Run(self, self.plan(kept)).logits()

    def plan(self, kept: Kept) -> Plan:
        """What these masks have in common, on any of the inputs."""
        shares = kept.unflatten(1, (len(self.pairs.edges), -1)) if self.places else kept
        return Plan(self.pairs, shares, self.same)

    @cached_property
    def same(self) -> set[Component]:
        """The embeddings that write exactly what stands in their place."""
        pairs = zip((TOKEN, POSITION), self.embedded, self.replaced.outputs, strict=False)
        return {part for part, value, instead in pairs if torch.equal(value, instead.expand_as(value))}

    def in_parts(self, kept: Kept) -> Iterator[tuple[slice, Float[Tensor, "part row class"]]]:
        """The logits of many masks, a part at a time, so that memory does not grow with their number."""
        parts = self.many if len(kept) > FEW // TOGETHER else self.few
        most = max(part.examples.tokens.numel() for part, _ in parts)
        size = max(1, HELD // (len(self.graph.senders) * most * self.model.config.d_model))
        rows = self.rows(parts)
        for start in range(0, len(kept), size):
            these = slice(start, start + size)
            plan = self.plan(kept[these])
            yield these, torch.cat([Run(part, plan).logits() for part, _ in parts], 1)[:, rows]

    @cached_property
    def many(self) -> list[Part]:
        """The inputs as they are run on many masks."""
        return self.parts(TOGETHER)

    @cached_property
    def few(self) -> list[Part]:
        """The inputs as they are run on few masks."""
        return self.parts(FEW)

    def parts(self, together: int) -> list[Part]:
        """Inputs of about the same length, without the positions that can't matter; and their numbers."""
        length = lengths(self.model.config, self.examples)
        found = groups(length, together // self.model.config.d_model)
        return [(self.part(numbers, length), numbers) for numbers, length in found]

    def rows(self, parts: list[Part]) -> Int[Tensor, "row"]:
        """Where the answer of each row stands among those of all parts."""
        number = torch.zeros_like(self.examples.answered, dtype=torch.long)
        number[self.examples.answered] = torch.arange(len(self.examples.labels), device=number.device)
        found = [
            part.examples.at_answers(number[some, : part.examples.tokens.shape[1]]) for part, some in parts
        ]
        return torch.cat(found).argsort()

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

    def __init__(self, patched: Patched, plan: Plan) -> None:
        self.patched, self.model, self.plan = patched, patched.model, plan
        self.read: dict[Reader, Stream] = {}
        """The different streams that each receiver read, before its norm.

        Of the last layer's queries, and of what is after them, at the answers alone.
        """
        self.outputs: list[Tensor | None] = []
        """What each sender wrote, no two values alike; None for one that nobody hears."""
        self.instead: list[Tensor] = []
        self.moved: dict[tuple[int, int], Tensor] = {}
        """Of some outputs, how far they are from what stands in their place."""
        self.base = patched.replaced.outputs.new_zeros(
            *patched.examples.tokens.shape, self.model.config.d_model
        )
        self.whole = self.base[None] if plan.mostly else None
        """The different streams with every output kept, where masks keep most of them."""
        self.at: Int[Tensor, "position"] | None = None

    def logits(self) -> Float[Tensor, "variant row class"]:
        """The logits at each answer."""
        config, model = self.model.config, self.model
        for part, value in zip((TOKEN, POSITION), self.patched.embedded, strict=True):
            self._write(part, None if part in self.plan.same else value[None])
        for layer in range(config.n_layers):
            for head, output in self._heads(layer).items():
                self._write(head, output)
            self.base = self.base + model.block(layer).attn.b_O
            self.whole = None if self.whole is None else self.whole + model.block(layer).attn.b_O
            if config.d_mlp:
                mlp = Component.mlp(layer)
                self._write(mlp, self._mlp(mlp) if mlp in self.plan.heard else None)
        rows = self._normed((ANSWER, "in"), model.ln_final, "ln_final")[
            :, self._here(self.patched.examples.answered)
        ]
        logits: Tensor = rows @ model.W_U + model.b_U
        return logits[self.plan.readings[ANSWER, "in"].which[ANSWER, "in"]]

    def _write(self, sender: Component, output: Stream | None) -> None:
        """The outputs of the next sender; None if nobody hears it."""
        instead = self._here(self.patched.replaced.outputs[len(self.outputs)])
        self.base = self.base + instead
        self.outputs.append(output)
        self.instead.append(instead)
        if self.whole is not None and output is None:
            self.whole = self.whole + instead
        elif self.whole is not None and output is not None:
            before, kinds = self.plan.sums[sender]
            self.whole = self.whole.index_select(0, before).add_(output.index_select(0, kinds))

    def _here(self, value: Shaped[Tensor, "batch seq *rest"]) -> Shaped[Tensor, "batch position *rest"]:
        """At the positions that are still run."""
        return value if self.at is None else value.index_select(1, self.at)

    def _narrow(self) -> None:
        """From here on only answered positions are run: nobody reads the others any more."""
        self.at = self.patched.examples.answer_positions
        self.base = self._here(self.base)
        self.whole = None if self.whole is None else self.whole.index_select(2, self.at)
        self.outputs = [None if each is None else each.index_select(2, self.at) for each in self.outputs]
        self.instead = [self._here(each) for each in self.instead]
        self.moved = {}

    def _normed(self, reader: Reader, norm: Norm, name: str) -> Stream:
        """What a reader, and others like it, read, through their norm, whose scale may be frozen."""
        reading, gradients = self.plan.readings[reader], self.plan.kept.requires_grad
        if self.whole is None or reading.starts is None:
            read = self.base.repeat(len(reading.terms), 1, 1, 1)
        else:
            read = self.whole.index_select(0, reading.starts.clamp(min=0))
            read[reading.starts < 0] = self.base
        rows = list(read)
        for row, terms in enumerate(reading.terms):
            for term in terms:
                # In place, which torch would not know the gradient of.
                rows[row] = self._plus(rows[row], term, None if gradients else rows[row])
        read = torch.stack(rows) if gradients else read
        self.read |= dict.fromkeys(reading.which, read)
        site = f"{name}.hook_scale"
        if site not in self.patched.scales:
            return norm.normalize(read)
        scale = self._here(self.patched.scales[site])
        taps = Taps(self.model.sites, [(site, lambda value, _: scale.expand_as(value))])
        frozen: Tensor = norm(read, taps)
        return frozen

    def _plus(self, stream: Tensor, term: Term, out: Tensor | None) -> Tensor:
        """The stream with a share of an output, less what stands in its place."""
        place = term.sender, term.kind
        if place not in self.moved:
            output = self.outputs[term.sender]
            assert output is not None
            self.moved[place] = output[term.kind] - self.instead[term.sender]
        if isinstance(term.share, float):
            return torch.add(stream, self.moved[place], alpha=term.share, out=out)
        share = term.share
        if self.patched.places is not None:
            share = share[self._here(self.patched.places.where)][..., None]
        return torch.addcmul(stream, share, self.moved[place], out=out)

    def _heads(self, layer: int) -> dict[Component, Stream | None]:
        """What each head of a layer writes; None if nobody hears it."""
        heard = self.plan.heads(layer)
        normed: dict[Input, Stream] = {}
        for letters in self.plan.letters(layer):
            if len(letters) == 1:
                self._narrow()
            if heard:
                found = self._normed(
                    (heard[0], letters[0]), self.model.block(layer).ln1, f"blocks.{layer}.ln1"
                )
                normed |= dict.fromkeys(letters, found)
        heads = [Component.of(Head(layer, index)) for index in range(self.model.config.n_heads)]
        return {head: self._head(head, normed) if head in heard else None for head in heads}

    def _head(self, head: Component, normed: Mapping[Input, Stream]) -> Stream:
        """What a head writes."""
        attention, index, mixing = self.model.block(head.layer).attn, head.index, self.plan.mixings[head]
        q, k, v = (_some(normed[letter], rows) for letter, rows in zip(LETTERS, mixing.rows, strict=True))
        q = functional.linear(q, attention.W_Q[index].T, attention.b_Q[index])
        # Few queries ask the stream itself, as in `Attention.mix_unprojected`: no keys or values are formed.
        few = self.at is not None and len(self.at) < attention.d_head
        if few:
            q = q @ attention.W_K[index].T
        else:
            k = functional.linear(k, attention.W_K[index].T, attention.b_K[index])
            v = functional.linear(v, attention.W_V[index].T, attention.b_V[index])
        q, k, v = (_some(value, chosen) for value, chosen in zip((q, k, v), mixing.chosen, strict=True))
        bias = self.patched.bias
        if bias is not None and self.at is not None and bias.shape[1] > 1:
            bias = self._here(bias)
        # For inputs this short faster than the fused attention, and much so with a mask.
        scores = (q * attention.d_head**-0.5) @ k.mT
        z = (scores if bias is None else scores + bias).softmax(-1) @ v
        if few:
            z = z @ attention.W_V[index] + attention.b_V[index]
        found: Tensor = z @ attention.W_O[index]
        return found

    def _mlp(self, mlp: Component) -> Stream:
        """What an MLP writes."""
        block = self.model.block(mlp.layer)
        assert block.mlp is not None
        assert block.ln2 is not None
        normed = self._normed((mlp, "in"), block.ln2, f"blocks.{mlp.layer}.ln2")
        found: Tensor = block.mlp(normed, Taps(self.model.sites))
        return found


def _some(values: Stream, rows: Rows) -> Stream:
    # Much faster than `values[rows]`.
    return values if rows is None else values.index_select(0, rows)


Part = tuple[Patched, Int[Tensor, "part"]]
"""Some of the inputs, and which of all they are."""
