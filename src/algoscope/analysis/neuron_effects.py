"""Which neurons matter, at which positions? Estimated for all of them at once, from one gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.errors import UserError
from algoscope.model.sites import Site
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import margin
from algoscope.tasks.task import Examples


def to_mean(values: Float[Tensor, "batch seq *rest"], mask: Mask) -> Float[Tensor, "batch seq *rest"]:
    """What sets the values at marked places to the mean over the examples marked there, each position by
    itself; zero elsewhere."""
    marked = mask.view(*mask.shape, *[1] * (values.ndim - 2))
    means = (values * marked).sum(0) / marked.sum(0).clamp(min=1)
    return torch.where(marked, means - values, 0.0)


def attributed(model: Transformer, examples: Examples, mask: Mask) -> Float[Tensor, "layer batch seq neuron"]:
    """How far the margin of the true answer would move if a neuron were set to its position's mean.

    To first order, gradient · (mean - value), in logits; for an input with several answers, their margins'
    sum. Zero where the mask has no mark. On the CPU; for few examples, as all of it is held. Method:
    attribution patching (Nanda 2023). Raises UserError for an attention-only model.
    """
    if model.config.d_mlp is None:
        raise UserError("this model is attention-only: it has no neurons")
    examples, mask = examples.to(model.W_E.device), mask.to(model.W_E.device)
    found: list[Tensor] = []

    def follow(value: Tensor, site: Site) -> None:
        if not value.requires_grad:
            value.requires_grad_()
        if site.name != "hook_embed":
            found.append(value)

    sites = [f"blocks.{layer}.mlp.hook_post" for layer in range(model.config.n_layers)]
    with torch.enable_grad():
        hooks = [(name, follow) for name in ("hook_embed", *sites)]
        logits = examples.at_answers(model.run_with_hooks(examples.tokens, hooks, examples.position_ids))
        gradients = torch.autograd.grad(margin(logits, examples.labels).sum(), found, allow_unused=True)
    effects = [
        torch.zeros_like(post) if slope is None else slope * to_mean(post.detach(), mask)
        for post, slope in zip(found, gradients, strict=True)
    ]
    return torch.stack(effects).detach().cpu()
