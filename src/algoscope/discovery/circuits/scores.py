"""How much each edge of a graph matters, by a method that is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.graph import Edge, Graph


@dataclass(frozen=True, eq=False)
class Scores:
    """A score for each edge: the higher, the longer it is kept."""

    graph: Graph
    method: str
    each: Float[Tensor, "edge"]
    by_example: Float[Tensor, "edge example"] | None = None
    """What each example says of it, where the method asks examples one by one."""
    unit: Literal["effect", "rank"] = "effect"
    """Of `each`: how far the measure falls when the edge is cut, or only which edge is kept longer."""

    @property
    def order(self) -> Int[Tensor, "edge"]:
        """Edges by their numbers, the highest score first."""
        return self.each.argsort(descending=True, stable=True)

    def top(self, count: int) -> tuple[Edge, ...]:
        """The edges of the highest scores."""
        return tuple(self.graph.edges[number] for number in self.order[:count].tolist())

    def nested(self, sizes: Int[Tensor, "size"]) -> Float[Tensor, "size edge"]:
        """For each size a mask that keeps as many edges, the highest scores first."""
        rank = torch.empty_like(self.order)
        rank[self.order] = torch.arange(len(rank), device=rank.device)
        return (rank[None] < sizes.to(rank.device)[:, None]).to(self.each)


def from_examples(graph: Graph, method: str, effects: Float[Tensor, "edge example"]) -> Scores:
    """Scores from what each example says: its size counts, for effects of both signs would cancel."""
    sizes = effects.abs().double().cpu()
    return Scores(graph, method, sizes.mean(1), sizes)


Method = Callable[[Contrast], Scores]
"""A way to score edges."""
