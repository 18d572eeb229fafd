"""How much of what later parts read of an output does a concept explain? A screen, before the causal test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import Steps
from algoscope.model.component import Component

DIRECTIONS = 12
TEMPERATURE = 4.0
"""A model that is sure has no gradient: its logits are made less so."""
DRAWS = 2
Way = Callable[[Tensor, Tensor], Tensor]
"""What a part computes, and what it puts out in the model's own run, to what it puts out."""
CELLS = 400_000
"""Cells that are counted at once."""


def sensitivities(pool: Pool, count: int, seed: int) -> dict[Component, Float[Tensor, "draw batch seq d"]]:
    """How the log-probability of a random answer moves with each output, on the first `count` examples.

    Answers are drawn from the model's own, made less sure. The mean of outer products is then a Fisher
    information: how far the answers move if the output does, to second order. Half of it is measured where
    each output is somewhere between its own and another input's: a model that decides sharply has no slope
    at its own outputs, only between them.
    """
    examples = pool.examples[:count]
    generator = torch.Generator().manual_seed(seed)
    found: dict[Component, list[Tensor]] = {}
    with torch.enable_grad():
        for way in (_as_it_is, _between(generator)):
            parts, logits = _watched(pool, count, way)
            logits = logits / TEMPERATURE
            for _ in range(DRAWS):
                target = _cotangent(logits.detach(), examples.sets, generator)
                slopes = torch.autograd.grad(
                    logits, list(parts.values()), target, retain_graph=True, allow_unused=True
                )
                for (component, part), slope in zip(parts.items(), slopes, strict=True):
                    each = found.setdefault(component, [])
                    each.append(torch.zeros_like(part) if slope is None else slope)
    return {component: torch.stack(each).detach() for component, each in found.items()}


def _as_it_is(computed: Tensor, own: Tensor) -> Tensor:
    return computed


def _between(generator: torch.Generator) -> Way:
    """Each output somewhere between the model's own and that on the next input."""

    def way(computed: Tensor, own: Tensor) -> Tensor:
        share = torch.rand((len(own), *[1] * (own.ndim - 1)), generator=generator).to(own)
        mixed = own + share * (own.roll(1, 0) - own)
        moved: Tensor = computed + (mixed - computed).detach()
        return moved

    return way


def _watched(pool: Pool, count: int, way: Way) -> tuple[dict[Component, Tensor], Tensor]:
    """What each part puts out, ready to be differentiated by, and the logits."""
    examples = pool.examples[:count]
    steps = Steps.of(pool.model, examples)
    resid = steps.embedded(examples).detach().requires_grad_()
    parts: dict[Component, Tensor] = {}

    def watched(component: Component, computed: Tensor) -> Tensor:
        parts[component] = way(computed, pool.value(component)[:count])
        return parts[component]

    logits = steps.run(resid, watched)
    return parts, logits


def directions(sensitivity: Float[Tensor, "sample d"]) -> Float[Tensor, "d direction"]:
    """The directions of an output that move the answers most, each as long as it moves them."""
    information = sensitivity.T.double() @ sensitivity.double() / max(len(sensitivity), 1)
    values, vectors = torch.linalg.eigh(information)
    kept = values.flip(0).clamp(min=0)[:DIRECTIONS]
    found: Tensor = vectors.flip(1)[:, : len(kept)] * kept.sqrt()
    return found.float()


@dataclass(frozen=True, eq=False)
class Screen:
    """What later parts read of a node's output, a row each, no two of which see the same."""

    read: Float[Tensor, "row direction"]
    common: Bool[Tensor, "row"]
    """Which rows stand for many that see the same: such a row may well be alone in its cell."""

    def unexplained(
        self, codes: Int[Tensor, "partition row"], cells: Int[Tensor, "partition"]
    ) -> tuple[Float[Tensor, "partition"], Float[Tensor, "partition"]]:
        """For each partition of the rows the share of variance left in its cells, and its entropy in bits.

        0: rows that agree put out the same. 1: it says nothing. What is left is that between two different
        rows of a cell, so that a fine partition gains nothing by being fine; a row alone counts whole, but
        for one that is common.
        """
        left, bits = [], []
        start = 0
        while start < len(codes):
            sizes = cells[start:].cumsum(0)
            stop = start + max(1, int((sizes <= CELLS).sum()))
            found = self._unexplained(codes[start:stop], cells[start:stop])
            left.append(found[0])
            bits.append(found[1])
            start = stop
        return torch.cat(left), torch.cat(bits)

    def _unexplained(self, codes: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        count, width = self.read.shape
        parts, total = len(codes), int(cells.sum())
        ends = cells.cumsum(0)
        flat = (codes + (ends - cells)[:, None]).flatten()
        centred = self.read - self.read.mean(0)
        # One column more for the squared length, so that everything is added up at once.
        wide = torch.cat([centred, centred.square().sum(1, keepdim=True)], 1)
        sums = wide.new_zeros(total, width + 1).index_add_(0, flat, wide.repeat(parts, 1))
        size = torch.bincount(flat, minlength=total).to(wide)
        within = (sums[:, -1] - sums[:, :-1].square().sum(1) / size.clamp(min=1)).clamp(min=0)
        spread = wide[:, -1].sum() / max(count - 1, 1)
        forced = torch.zeros_like(size).index_add_(0, flat, self.common.to(wide).repeat(parts))
        alone = torch.where(forced > 0, 0.0, spread)
        left = torch.where(size == 1, alone, within * size / (size - 1).clamp(min=1))
        share = size / count
        info = -(share * share.clamp(min=1e-12).log2())
        which = torch.repeat_interleave(torch.arange(parts), cells)
        added = wide.new_zeros(parts, 2).index_add_(0, which, torch.stack([left, info], 1))
        return added[:, 0] / (spread * count).clamp(min=1e-30), added[:, 1]


def _cotangent(logits: Tensor, sets: bool, generator: torch.Generator) -> Tensor:
    if sets:
        yes = logits.sigmoid()
        drawn = torch.rand(logits.shape, generator=generator).to(logits)
        return (drawn < yes).to(logits) - yes
    chance = logits.softmax(-1)
    picked = torch.multinomial(chance.cpu(), 1, generator=generator).to(logits.device)
    return torch.zeros_like(logits).scatter_(1, picked, 1.0) - chance
