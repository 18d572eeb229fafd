"""Two tests of all nodes at once: flat, and recursive (causal scrubbing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.rows import rows
from algoscope.explanation.steps import Replaced, Steps
from algoscope.model.component import Component

Codes = Mapping[Node, Int[Tensor, "row"]]
"""What each node is said to carry, at its rows of the pool; nodes together are every place of every part."""


@torch.no_grad()
def replay(pool: Pool, replaced: Replaced) -> Float[Tensor, "row class"]:
    """Logits of a run on the whole pool in which each output is replaced before it is read."""
    steps = Steps.of(pool.model, pool.examples)
    return steps.run(steps.embedded(pool.examples), replaced)


@dataclass(frozen=True, eq=False)
class Swaps:
    """For each component and place a row that agrees on what is carried there."""

    pool: Pool
    sources: Mapping[Component, Int[Tensor, "batch seq"]]
    """Which of all rows (batch x seq, flat) takes each one's place."""

    @classmethod
    def drawn(cls, pool: Pool, codes: Codes, seed: int) -> Swaps:
        generator = Generator().manual_seed(seed)
        shape = pool.inputs.tokens.shape
        itself = torch.arange(shape[0] * shape[1]).view(shape)
        sources: dict[Component, Tensor] = {}
        for node, code in codes.items():
            own = rows(pool, node.place, 0)
            source = sources.setdefault(node.component, itself.clone())
            source[own.where] = itself[own.where][own.others(code, generator)]
        return cls(pool, sources)

    def leaving(self, node: Node) -> Swaps:
        """The same, but a node keeps what it computes itself."""
        where = node.place.of(self.pool.inputs)
        own = torch.arange(where.numel()).view(where.shape)
        source = torch.where(where, own, self.sources[node.component])
        return Swaps(self.pool, {**self.sources, node.component: source})

    def recursive(self, component: Component, computed: Tensor) -> Tensor:
        """What was computed on the other row, from what had been put in the place of its inputs."""
        source = self.sources.get(component)
        return computed if source is None else computed.flatten(0, 1)[source]

    def flat(self, component: Component, computed: Tensor) -> Tensor:
        """What the model itself puts out on the other row."""
        return self.recursive(component, self.pool.value(component))
