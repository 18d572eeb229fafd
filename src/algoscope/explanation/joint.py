"""Two tests of all nodes at once: flat, and recursive (causal scrubbing); and what tables alone can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.explanation.partners import partners
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import Steps
from algoscope.model.component import Component

Codes = Mapping[Node, Int[Tensor, "row"]]
"""What each node is said to carry, at its rows of the pool; nodes together are every place of every part."""

Replaced = Callable[[Component, Tensor], Tensor]
"""What a component puts out, `[batch seq d]`, to what is put in its place."""


@torch.no_grad()
def replay(pool: Pool, replaced: Replaced) -> Float[Tensor, "row class"]:
    """Logits of a run on the whole pool in which each output is replaced before it is read."""
    model, steps = pool.model, Steps.of(pool.model, pool.examples)
    resid = steps.embedded(pool.examples)
    for layer in range(model.config.n_layers):
        z = steps.heads(layer, resid)
        heads = [replaced(Component.parse(f"{layer}.{head}"), z[:, :, head]) for head in range(z.shape[2])]
        resid = steps.with_heads(layer, resid, torch.stack(heads, 2))
        if model.config.d_mlp:
            resid = resid + replaced(Component.mlp(layer), steps.mlp(layer, resid))
    return steps.logits(resid)


@dataclass(frozen=True, eq=False)
class Swaps:
    """For each component and place a row that agrees on what is carried there."""

    pool: Pool
    sources: Mapping[Component, Int[Tensor, "batch seq"]]
    """Which of all rows (batch x seq, flat) takes each one's place."""

    @classmethod
    def drawn(cls, pool: Pool, codes: Codes, seed: int) -> Swaps:
        generator = Generator().manual_seed(seed)
        identity = pool.identity
        shape = pool.inputs.tokens.shape
        own = torch.arange(shape[0] * shape[1]).view(shape)
        sources: dict[Component, Tensor] = {}
        for node, code in codes.items():
            where = node.place.of(pool.inputs)
            wanted = torch.arange(int(where.sum()))
            other = partners(code, identity[where], wanted, generator)
            rows = own[where]
            source = sources.setdefault(node.component, own.clone())
            source[where] = rows[torch.where(other < 0, wanted, other)]
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


@dataclass(frozen=True, eq=False)
class Means:
    """The mean output of each node for each value of what it carries."""

    pool: Pool
    codes: Codes

    def tables(self, component: Component, computed: Tensor) -> Tensor:
        """What the node puts out on average on rows that agree with this one."""
        found = computed.clone()
        for node, codes in self.codes.items():
            if node.component == component:
                where = node.place.of(self.pool.inputs)
                found[where] = averaged(self.pool.value(component)[where], codes)
        return found

    def heads(self, component: Component, computed: Tensor) -> Tensor:
        """Heads are computed from what stands in the stream; MLPs are looked up."""
        return computed if component.head is not None else self.tables(component, computed)


def averaged(values: Float[Tensor, "row d"], codes: Int[Tensor, "row"]) -> Float[Tensor, "row d"]:
    """The mean over the rows of each row's cell, itself left out where there are others."""
    cells = int(codes.max()) + 1
    sums = values.new_zeros(cells, values.shape[1]).index_add_(0, codes, values)
    count = torch.bincount(codes, minlength=cells).to(values)[codes][:, None]
    return torch.where(count > 1, (sums[codes] - values) / (count - 1).clamp(min=1), values)
