"""What is the residual stream the sum of?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import EllipsisType

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import Mask, at_position, batches
from algoscope.errors import UserError
from algoscope.model.component import EMBEDDING, POSITION, TOKEN, Component, heads_and_mlps
from algoscope.model.sites import Cache, Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@dataclass(frozen=True, eq=False)
class Components:
    """The residual stream at some places, taken apart into what was written there. On the CPU."""

    parts: tuple[Component, ...]
    """In order: the embedding (token plus position), then each layer's heads and MLP."""
    values: Float[Tensor, "component row d_model"]
    """Heads without the output bias, which is no one head's; MLPs with theirs."""
    bias: Float[Tensor, "d_model"]
    """The attention output biases of all layers, together."""
    resid: Float[Tensor, "row d_model"]
    """The residual stream itself, as the model computed it."""

    def __getitem__(self, part: Component) -> Float[Tensor, "row d_model"]:
        if part not in self.parts:
            raise UserError(f"no component {part}: there are {', '.join(map(str, self.parts))}")
        return self.values[self.parts.index(part)]

    @property
    def spread(self) -> dict[Component, float]:
        """How much each part varies from row to row, as a share of how much the whole stream does.

        Summed over dimensions. Shares need not add up to 1: what two parts write may agree or cancel. Zero
        is a part that writes the same in every row.
        """
        whole = _variance(self.resid)
        return {part: _variance(self[part]) / whole if whole else 0.0 for part in self.parts}

    @property
    def max_error(self) -> float:
        """The largest gap between the sum of the parts and the whole, over rows and coordinates."""
        gap = self.values.sum(0) + self.bias - self.resid
        return gap.abs().max().item() if gap.numel() else 0.0


@torch.no_grad()
def decompose(
    model: Transformer, examples: Examples, at: int | Mask, before: int | None = None
) -> Components:
    """What the residual stream is the sum of, just before layer `before` or the final layer norm.

    `at` is one position, or a mask of places: a row each, example by example. Method: ARENA 1.5.1, "output
    by component". Raises UserError for a layer that does not exist.
    """
    layers = model.config.n_layers if before is None else before
    if not 0 <= layers <= model.config.n_layers:
        raise UserError(f"layer {before} does not exist: the model has layers 0-{model.config.n_layers - 1}")
    mask = at_position(examples, at) if isinstance(at, int) else at
    sites, parts = _sites(model, layers), (EMBEDDING, *heads_and_mlps(model.config, layers))
    shape, dtype = (int(mask.sum()), model.config.d_model), model.W_E.dtype
    values, resid = torch.empty(len(parts), *shape, dtype=dtype), torch.empty(shape, dtype=dtype)
    for batch in batches(model, examples, mask):
        _, cache = model.run_with_cache(batch.tokens, sites, position_ids=batch.position_ids)
        values[:, batch.rows] = _parts(model, cache, batch.at, layers).cpu()
        resid[batch.rows] = cache[sites[-1]][batch.at].cpu()
    return Components(parts, values, model.b_O[:layers].sum(0).cpu(), resid)


@torch.no_grad()
def read_out(model: Transformer, components: Components) -> Float[Tensor, "row class"]:
    """The logits that the model reads from the stream before the final norm: without another pass."""
    return model.read_out(components.resid.to(model.W_E.device), Taps(model.sites)).cpu()


def embeddings_apart(
    model: Transformer, examples: Examples, at: int | Mask, components: Components
) -> Components:
    """The same, with token and position embedding as two components. `at` is where they were decomposed."""
    mask = at_position(examples, at) if isinstance(at, int) else at
    token = model.W_E.detach().cpu()[examples.tokens[mask].cpu()]
    rest = components.values[1:]
    values = torch.cat([torch.stack([token, components[EMBEDDING] - token]), rest])
    return replace(components, parts=(TOKEN, POSITION, *components.parts[1:]), values=values)


@torch.no_grad()
def decompose_everywhere(
    model: Transformer, examples: Examples
) -> tuple[tuple[Component, ...], Float[Tensor, "component batch seq d_model"]]:
    """The residual stream before the final norm at every position, token and position embedding apart.

    On the model's device, exactly as each was written. For few examples: the whole of it is held in memory.
    """
    examples, layers = examples.to(model.W_E.device), model.config.n_layers
    _, cache = model.run_with_cache(
        examples.tokens, _sites(model, layers)[:-1], position_ids=examples.position_ids
    )
    token = cache["hook_embed"]
    embeddings = torch.stack((token, cache["hook_pos_embed"].expand_as(token)))
    rest = _parts(model, cache, ..., layers)[1:]
    return (TOKEN, POSITION, *heads_and_mlps(model.config)), torch.cat((embeddings, rest))


def _variance(values: Float[Tensor, "row d_model"]) -> float:
    return values.double().var(0, correction=0).sum().item()


def _sites(model: Transformer, layers: int) -> list[str]:
    """What has to be read; the residual stream itself comes last."""
    # A head's result is its z times its W_O. Reading z leaves attention on the fused path.
    written = dict.fromkeys(part.site for part in heads_and_mlps(model.config, layers))
    last = model.config.n_layers - 1
    whole = f"blocks.{layers}.hook_resid_pre" if layers <= last else f"blocks.{last}.hook_resid_post"
    return ["hook_embed", "hook_pos_embed", *written, whole]


def _parts(
    model: Transformer, cache: Cache, at: Mask | EllipsisType, layers: int
) -> Float[Tensor, "component *places d_model"]:
    """What each component writes at these places, or at all of them."""
    parts = [(cache["hook_embed"] + cache["hook_pos_embed"])[at][None]]
    for layer in range(layers):
        z = cache[f"blocks.{layer}.attn.hook_z"][at]
        parts.append(einsum(z, model.W_O[layer], "... head d_head, head d_head d_model -> head ... d_model"))
        if model.config.d_mlp:
            parts.append(cache[f"blocks.{layer}.hook_mlp_out"][at][None])
    return torch.cat(parts)
