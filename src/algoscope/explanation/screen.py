"""How much of what later parts read of an output does a concept explain? A screen, before the causal test."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.explanation.pool import Pool
from algoscope.explanation.steps import Steps
from algoscope.model.component import Component

DIRECTIONS = 12
TEMPERATURE = 4.0
"""A model that is sure has no gradient: its logits are made less so."""
DRAWS = 4


def sensitivities(pool: Pool, count: int, seed: int) -> dict[Component, Float[Tensor, "draw batch seq d"]]:
    """How the log-probability of a random answer moves with each output, on the first `count` examples.

    Answers are drawn from the model's own, made less sure. The mean of outer products is then a Fisher
    information: how far the answers move if the output does, to second order.
    """
    model, examples = pool.model, pool.examples[:count]
    generator = torch.Generator(device="cpu").manual_seed(seed)
    steps = Steps.of(model, examples)
    parts: dict[Component, Tensor] = {}
    resid = steps.embedded(examples)
    with torch.enable_grad():
        for layer in range(model.config.n_layers):
            z = steps.heads(layer, resid)
            if not z.requires_grad:
                z.requires_grad_()
            heads = list(z.unbind(2))
            for head, value in enumerate(heads):
                parts[Component.parse(f"{layer}.{head}")] = value
            resid = steps.with_heads(layer, resid, torch.stack(heads, 2))
            if model.config.d_mlp:
                written = steps.mlp(layer, resid)
                parts[Component.mlp(layer)] = written
                resid = resid + written
        logits = steps.logits(resid) / TEMPERATURE
        found: dict[Component, list[Tensor]] = {component: [] for component in parts}
        for _ in range(DRAWS):
            target = _cotangent(logits.detach(), examples.sets, generator)
            gradients = torch.autograd.grad(
                logits, list(parts.values()), target, retain_graph=True, allow_unused=True
            )
            for component, gradient in zip(parts, gradients, strict=True):
                found[component].append(
                    torch.zeros_like(parts[component]) if gradient is None else gradient.detach()
                )
    return {component: torch.stack(each) for component, each in found.items()}


def directions(sensitivity: Float[Tensor, "sample d"]) -> Float[Tensor, "d direction"]:
    """The directions of an output that move the answers most, each as long as it moves them."""
    information = sensitivity.T.double() @ sensitivity.double() / max(len(sensitivity), 1)
    values, vectors = torch.linalg.eigh(information)
    kept = values.flip(0).clamp(min=0)[:DIRECTIONS]
    return (vectors.flip(1)[:, : len(kept)] * kept.sqrt()).float()


def unexplained(read: Float[Tensor, "row direction"], codes: Int[Tensor, "row"], cells: int) -> float:
    """The share of variance that is left between two rows of one cell; a row alone in its cell counts whole.

    Codes are 0 to `cells` - 1. 0: rows that agree on the concept put out the same. 1: it says nothing.
    """
    count = torch.bincount(codes, minlength=cells).to(read)
    sums = read.new_zeros(cells, read.shape[1]).index_add_(0, codes, read)
    squares = read.new_zeros(cells).index_add_(0, codes, read.square().sum(1))
    alone = count == 1
    within = (squares - sums.square().sum(1) / count.clamp(min=1)).clamp(min=0)
    centred = read - read.mean(0)
    total = centred.square().sum() * len(read) / max(len(read) - 1, 1)
    inside = (within * count / (count - 1).clamp(min=1))[~alone].sum()
    left = inside + total * alone.sum() / max(len(read), 1)
    return float(left / total.clamp(min=1e-30))


def _cotangent(logits: Tensor, sets: bool, generator: torch.Generator) -> Tensor:
    if sets:
        yes = logits.sigmoid()
        drawn = torch.rand(logits.shape, generator=generator).to(logits)
        return (drawn < yes).to(logits) - yes
    chance = logits.softmax(-1)
    picked = torch.multinomial(chance.cpu(), 1, generator=generator).to(logits.device)
    return torch.zeros_like(logits).scatter_(1, picked, 1.0) - chance
