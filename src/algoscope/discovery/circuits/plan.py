"""What many masks have in common, worked out before anything is run: it is the same for all inputs.

Variants are told apart at each reader by what they read: the shares that they keep, and which of a sender's
outputs they have. Each kind of stream and of output is then computed once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from algoscope.discovery.circuits.graph import LETTERS, Graph
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, Input
from algoscope.model.head import Head

Kept = Float[Tensor, "variant edge"]
"""How much of each edge is kept: 1 for what the sender wrote, 0 for what is put in its place."""

Shares = Float[Tensor, "variant edge"] | Float[Tensor, "variant edge place"]
"""The same with the places of an edge apart, where there are several."""

Reader = tuple[Component, Input]
"""A receiver, and through what it reads."""

Rows = Int[Tensor, "row"] | None
"""Some rows of a value; None for all, or for a single one that stands for all."""


@dataclass(frozen=True)
class Term:
    """A share of an output that is added to a stream."""

    sender: int
    kind: int
    share: float | Tensor
    """A tensor where it differs from place to place, or has a gradient."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The different streams that several readers of the same senders read."""

    starts: Int[Tensor, "different"] | None
    """Which stream with every output each is taken from; -1 for nothing, as for all if None."""
    terms: tuple[list[Term], ...]
    which: Mapping[Reader, Int[Tensor, "variant"]]
    """Which of the streams each variant reads."""


@dataclass(frozen=True, eq=False)
class Mixing:
    """A head's different combinations of queries, keys and values."""

    rows: tuple[Rows, Rows, Rows]
    """Of the streams, those that are projected."""
    chosen: tuple[Rows, Rows, Rows]
    """Of what is projected, the one for each combination."""
    which: Int[Tensor, "variant"]


class Plan:
    """The order of the work is that of `Run`: senders, and between them what reads them."""

    def __init__(self, graph: Graph, kept: Shares, same: Collection[Component]) -> None:
        """`same` are senders that carry the same whether they are cut or not."""
        self.graph, self.kept, self.same = graph, kept, same
        self.readings: dict[Reader, Reading] = {}
        self.mixings: dict[Component, Mixing] = {}
        self.sums: dict[Component, tuple[Tensor, Tensor]] = {}
        """For each sender: the sums of all outputs up to it, each from a sum before it and an output."""
        self.heard = heard(graph, any_place(kept).any(0).tolist())
        """Components from which, in some mask, something may get to the answer."""
        self._nobody = torch.zeros(len(kept), dtype=torch.long, device=kept.device)
        self._outputs: list[Int[Tensor, "variant"] | None] = []
        self.mostly = not kept.requires_grad and bool((kept == 1).float().mean() > 0.5)
        """Whether most masks keep most edges."""
        self._whole = self._nobody if self.mostly else None
        self._build()

    def heads(self, layer: int) -> list[Component]:
        """The heads of a layer that are run."""
        heads = [Component.of(Head(layer, index)) for index in range(self.graph.config.n_heads)]
        return [head for head in heads if head in self.heard]

    def letters(self, layer: int) -> tuple[tuple[Input, ...], ...]:
        """What heads read together: in the last layer queries come apart, for few positions are wanted."""
        return (("k", "v"), ("q",)) if layer == self.graph.config.n_layers - 1 else (LETTERS,)

    def _build(self) -> None:
        for part in (TOKEN, POSITION):
            self._write(part, None if part in self.same else self._nobody)
        for layer in range(self.graph.config.n_layers):
            heads = self.heads(layer)
            for letters in self.letters(layer) if heads else ():
                self._read([(head, letter) for head in heads for letter in letters])
            for index in range(self.graph.config.n_heads):
                head = Component.of(Head(layer, index))
                self._write(head, self._mix(head) if head in self.heard else None)
            if self.graph.config.d_mlp:
                mlp = Component.mlp(layer)
                self._write(mlp, self._read([(mlp, "in")]) if mlp in self.heard else None)
        self._read([(ANSWER, "in")])

    def _write(self, sender: Component, which: Int[Tensor, "variant"] | None) -> None:
        """The kinds of the next sender's output; None if nobody hears it."""
        self._outputs.append(which)
        if self._whole is not None and which is not None:
            before = self._whole
            chosen, self._whole = different(torch.stack((before, which), 1))
            self.sums[sender] = before[chosen], which[chosen]

    def _read(self, readers: Sequence[Reader]) -> Int[Tensor, "variant"]:
        """Plans what several readers read; returns the kind of each variant for the last of them."""
        silent = torch.full_like(self._nobody, -1)
        kinds = torch.stack([silent if which is None else which for which in self._outputs], 1)
        kinds = kinds.repeat(len(readers), 1)
        kept = torch.cat([self.kept[:, self.graph.inputs[reader]] for reader in readers])
        kept = kept * _by_place((kinds >= 0).to(kept), kept)
        # Outputs that are cut don't matter, however they differ.
        keys = torch.cat((kept.detach().flatten(1), torch.where(any_place(kept), kinds, -1).to(kept)), 1)
        if kept.requires_grad:
            own = torch.arange(len(readers), device=keys.device).repeat_interleave(len(self.kept))
            keys = torch.cat((keys, own[:, None].to(keys)), 1)
        chosen, which = different(keys)
        by_reader = dict(zip(readers, which.view(len(readers), -1), strict=True))
        reading = Reading(*self._sums(kept[chosen], kinds[chosen], chosen % len(self.kept)), by_reader)
        self.readings |= dict.fromkeys(readers, reading)
        last: Tensor = by_reader[readers[-1]]
        return last

    def _sums(
        self,
        shares: Shares,
        kinds: Int[Tensor, "different sender"],
        variants: Int[Tensor, "different"],
    ) -> tuple[Int[Tensor, "different"] | None, tuple[list[Term], ...]]:
        """What each stream starts from, and what is added to it."""
        starts = None
        if self._whole is not None:
            ones = (shares == 1) if shares.ndim == 2 else (shares == 1).all(2)
            # Nearer to everything than to nothing: what is cut is taken from the sum.
            most = ((~ones).sum(1) < any_place(shares).sum(1))[:, None] & (kinds >= 0)
            shares = shares - _by_place(most.to(shares), shares)
            starts = torch.where(most.any(1), self._whole[variants], -1)
        plain = shares.tolist() if shares.ndim == 2 and not shares.requires_grad else shares
        terms: tuple[list[Term], ...] = tuple([] for _ in shares)
        named = kinds.tolist()
        for row, sender in any_place(shares).nonzero().tolist():
            terms[row].append(Term(sender, named[row][sender], plain[row][sender]))
        return starts, terms

    def _mix(self, head: Component) -> Int[Tensor, "variant"]:
        """Plans what a head mixes; returns which of its outputs each variant has."""
        streams, rows, whiches = [], [], []
        for letter in LETTERS:
            reading = self.readings[head, letter]
            used, which = reading.which[head, letter].unique(return_inverse=True)
            streams.append(len(used))
            rows.append(None if len(used) == len(reading.terms) else used)
            whiches.append(which)
        chosen, found = different(torch.stack(whiches, 1))
        picked = [
            None if count == 1 else which[chosen] for count, which in zip(streams, whiches, strict=True)
        ]
        self.mixings[head] = Mixing((rows[0], rows[1], rows[2]), (picked[0], picked[1], picked[2]), found)
        return found


def heard(graph: Graph, kept: Sequence[bool]) -> set[Component]:
    """Components from which something may get to the answer through the edges that are kept."""
    found = {ANSWER}
    for (receiver, _), edges in reversed(graph.inputs.items()):
        if receiver in found:
            found |= {sender for sender, one in zip(graph.senders, kept[edges], strict=False) if one}
    return found


def any_place(kept: Shares) -> Bool[Tensor, "variant edge"]:
    """Where something of an edge is kept, at some place."""
    some = kept.detach() != 0
    return some if some.ndim == 2 else some.any(2)


def _by_place(
    values: Float[Tensor, "variant edge"], like: Shares
) -> Float[Tensor, "variant edge"] | Float[Tensor, "variant edge 1"]:
    return values if like.ndim == 2 else values[..., None]


def different(
    keys: Shaped[Tensor, "variant part"],
) -> tuple[Int[Tensor, "different"], Int[Tensor, "variant"]]:
    """One variant of each kind, kinds being told apart by their rows of keys; and each variant's kind."""
    if len(keys) == 1:
        first = torch.zeros(1, dtype=torch.long, device=keys.device)
        return first, first
    # A dictionary of bytes is several times as fast as `unique(dim=0)`.
    rows = keys.cpu().contiguous().numpy()
    named = rows.view(f"V{rows[0].nbytes}")[:, 0].tolist()
    kinds = {row: number for number, row in enumerate(dict.fromkeys(named))}
    which = torch.tensor([kinds[row] for row in named], device=keys.device)
    chosen = torch.empty(len(kinds), dtype=torch.long, device=keys.device)
    chosen[which] = torch.arange(len(keys), device=keys.device)
    return chosen, which
