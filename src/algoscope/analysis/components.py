"""What is the residual stream the sum of?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import Batches
from algoscope.errors import UserError
from algoscope.model.sites import Cache
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Place = int | slice
"""A position in the sequence, or several, which then become rows of their own, input by input."""


@dataclass(frozen=True)
class Components:
    """The residual stream at one place, taken apart into what was written there. On the CPU."""

    names: tuple[str, ...]
    """In order: `embedding` (token plus position), then each layer's heads (`0.1`) and `MLP 0`."""
    values: Float[Tensor, "component row d_model"]
    """Heads without the output bias, which is no one head's; MLPs with theirs."""
    bias: Float[Tensor, "d_model"]
    """The attention output biases of all layers, together."""
    resid: Float[Tensor, "row d_model"]
    """The residual stream itself, as the model computed it."""

    @property
    def max_error(self) -> float:
        """The largest gap between the sum of the parts and the whole, over rows and coordinates."""
        gap = self.values.sum(0) + self.bias - self.resid
        return gap.abs().max().item() if gap.numel() else 0.0


@torch.no_grad()
def decompose(model: Transformer, examples: Examples, place: Place, before: int | None = None) -> Components:
    """What the residual stream at `place` is the sum of, just before layer `before` or the final layer norm.

    Method: ARENA 1.5.1, "output by component". Raises UserError for a layer that does not exist.
    """
    layers = model.config.n_layers if before is None else before
    if not 0 <= layers <= model.config.n_layers:
        raise UserError(f"layer {before} does not exist: the model has layers 0-{model.config.n_layers - 1}")
    sites = _sites(model, layers)
    values, resid = [], []
    batches = Batches(model, examples, place)
    for tokens in batches:
        _, cache = model.run_with_cache(tokens, sites)
        values.append(_parts(model, cache, place, layers).cpu())
        resid.append(_rows(cache[sites[-1]], place).cpu())
    bias = model.b_O[:layers].sum(0).cpu()
    if isinstance(place, slice):
        return Components(component_names(model, layers), torch.cat(values, 1), bias, torch.cat(resid))
    ordered = batches.restored(values, 1), bias, batches.restored(resid)
    return Components(component_names(model, layers), *ordered)


def component_names(model: Transformer, layers: int) -> tuple[str, ...]:
    """The components that the first `layers` layers and the embedding make."""
    found = ["embedding"]
    for layer in range(layers):
        found += [f"{layer}.{head}" for head in range(model.config.n_heads)]
        found += [f"MLP {layer}"] if model.config.d_mlp else []
    return tuple(found)


def _sites(model: Transformer, layers: int) -> list[str]:
    """What has to be read; the residual stream itself comes last."""
    sites = ["hook_embed", "hook_pos_embed"]
    for layer in range(layers):
        # A head's result is its z times its W_O. Reading z leaves attention on the fused path.
        sites.append(f"blocks.{layer}.attn.hook_z")
        sites += [f"blocks.{layer}.hook_mlp_out"] if model.config.d_mlp else []
    last = model.config.n_layers - 1
    return [*sites, f"blocks.{layers}.hook_resid_pre" if layers <= last else f"blocks.{last}.hook_resid_post"]


def _parts(
    model: Transformer, cache: Cache, place: Place, layers: int
) -> Float[Tensor, "component row d_model"]:
    parts = [_rows(cache["hook_embed"] + cache["hook_pos_embed"], place)[None]]
    for layer in range(layers):
        z = _rows(cache[f"blocks.{layer}.attn.hook_z"], place)
        W_O = model.W_O[layer]
        parts.append(einsum(z, W_O, "row head d_head, head d_head d_model -> head row d_model"))
        if model.config.d_mlp:
            parts.append(_rows(cache[f"blocks.{layer}.hook_mlp_out"], place)[None])
    return torch.cat(parts)


def _rows(value: Float[Tensor, "batch seq *rest"], place: Place) -> Float[Tensor, "row *rest"]:
    if isinstance(place, int):
        return value[:, place]
    return rearrange(value[:, place], "batch seq ... -> (batch seq) ...")
