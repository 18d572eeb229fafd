"""A model as a graph: which component passes on to which, and through which of its inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, Input, Kind, heads_and_mlps
from algoscope.model.config import Config

LETTERS: tuple[Input, ...] = ("q", "k", "v")


@dataclass(frozen=True, order=True)
class Edge:
    """A sender, and an input of a later receiver that reads what the sender wrote.

    >>> str(Edge(TOKEN, Component.parse("1.0"), "k"))
    'token embedding to the keys of 1.0'
    """

    sender: Component
    receiver: Component
    input: Input = "in"
    place: str = ""
    """At which positions it is read, where a graph tells them apart; else at all."""

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.sender} to {self.receiver.by(self.input)}{where}"


@dataclass(frozen=True)
class Graph:
    """Every component of a model that writes, and every edge to one that reads it later.

    Edges are ordered by their receivers, in the order of the computation, then by senders, then by places.
    """

    config: Config
    places: tuple[str, ...] = ("",)
    """Kinds of positions at which an edge is an edge of its own; by default an edge stands for all."""

    @cached_property
    def senders(self) -> tuple[Component, ...]:
        """What writes into the stream, in the order of the computation: embeddings, heads, MLPs."""
        return (TOKEN, POSITION, *heads_and_mlps(self.config))

    @property
    def parts(self) -> tuple[Component, ...]:
        """Every component, the answer last."""
        return (*self.senders, ANSWER)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge: of each layer those into its heads' queries, keys, values, its MLP; then the answer."""
        found: list[Edge] = []
        for layer in range(self.config.n_layers):
            parts = heads_and_mlps(self.config)
            heads = [each for each in parts if each.layer == layer and each.kind is Kind.HEAD]
            found += [
                Edge(sender, head, letter)
                for letter in LETTERS
                for head in heads
                for sender in self.senders[: self.before(layer)]
            ]
            if self.config.d_mlp:
                mlp = Component.mlp(layer)
                found += [Edge(sender, mlp) for sender in self.senders[: self.before(layer) + len(heads)]]
        found += [Edge(sender, ANSWER) for sender in self.senders]
        return tuple(replace(edge, place=place) for edge in found for place in self.places)

    @cached_property
    def index(self) -> dict[Edge, int]:
        """Where each edge stands in `edges`."""
        return {edge: number for number, edge in enumerate(self.edges)}

    @cached_property
    def inputs(self) -> dict[tuple[Component, Input], slice]:
        """Which edges go into each input of each receiver."""
        found: dict[tuple[Component, Input], slice] = {}
        for number, edge in enumerate(self.edges):
            start = found.get((edge.receiver, edge.input), slice(number, number)).start
            found[edge.receiver, edge.input] = slice(start, number + 1)
        return found

    def before(self, layer: int) -> int:
        """How many senders have written before the heads of this layer read."""
        return 2 + layer * (self.config.n_heads + bool(self.config.d_mlp))

    def mask(self, edges: Iterable[Edge]) -> Bool[Tensor, "edge"]:
        """True at these edges. Raises UserError for one that this model does not have."""
        mask = torch.zeros(len(self.edges), dtype=torch.bool)
        for edge in edges:
            if edge not in self.index:
                raise UserError(f"this model has no edge {edge}: `Graph(config).edges` lists them all")
            mask[self.index[edge]] = True
        return mask

    def of(self, mask: Bool[Tensor, "edge"]) -> tuple[Edge, ...]:
        """The edges at which the mask is true, in order."""
        return tuple(self.edges[number] for number in mask.nonzero()[:, 0].tolist())


def useful(edges: Iterable[Edge]) -> frozenset[Edge]:
    """The edges through which something can get from an embedding to the answer; the others do nothing.

    A head passes on what its values bring, and needs them; its queries and keys only say from where.
    """
    kept = set(edges)
    while True:
        heard = {edge.sender for edge in kept}
        fed = {TOKEN, POSITION} | {edge.receiver for edge in kept if edge.input in ("v", "in")}
        left = {
            edge
            for edge in kept
            if (edge.receiver == ANSWER or edge.receiver in heard) and edge.sender in fed
        }
        if left == kept:
            return frozenset(kept)
        kept = left
