"""What stands in the place of what an edge carries: another input's, the mean over inputs, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from algoscope.model.sites import Cache
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

Patching = Literal["resample", "mean", "zero"]


@dataclass(frozen=True, eq=False)
class Written:
    """What each sender of a model writes into the stream. Biases of attention are no one head's."""

    outputs: Float[Tensor, "sender batch seq d_model"]
    """In the order of `Graph.senders`; a batch of 1 stands for every input."""


@torch.no_grad()
def written(model: Transformer, examples: Examples) -> Written:
    """What each sender writes on these inputs."""
    names = ("hook_embed", "hook_pos_embed", "attn.hook_z", "hook_mlp_out")
    _, cache = model.run_with_cache(
        examples.tokens, lambda name: name.endswith(names), position_ids=examples.position_ids
    )
    return Written(torch.stack(list(_outputs(model, cache))))


def _outputs(model: Transformer, cache: Cache) -> Iterator[Tensor]:
    yield from (cache["hook_embed"], cache["hook_pos_embed"].expand_as(cache["hook_embed"]))
    for layer in range(model.config.n_layers):
        z = cache[f"blocks.{layer}.attn.hook_z"]
        yield from einsum(
            z, model.W_O[layer], "batch seq head d_head, head d_head d_model -> head batch seq d_model"
        )
        if model.config.d_mlp:
            yield cache[f"blocks.{layer}.hook_mlp_out"]


def nothing(model: Transformer, examples: Examples) -> Written:
    """Zeros: what zero ablation puts in the place of everything."""
    senders = 2 + model.config.n_layers * (model.config.n_heads + bool(model.config.d_mlp))
    shape = (senders, 1, examples.tokens.shape[1], model.config.d_model)
    return Written(torch.zeros(shape, device=model.W_E.device, dtype=model.W_E.dtype))


def averaged(model: Transformer, reference: Examples, across_places: bool = False) -> Written:
    """The mean over inputs, position by position, or one mean over all positions too; padding is left out."""
    found = written(model, reference).outputs
    pad = model.config.pad_token
    real = torch.ones_like(reference.answered) if pad is None else reference.tokens != pad
    weight = real.to(found)[:, :, None]
    over = (1, 2) if across_places else (1,)
    mean = (found * weight).sum(over, keepdim=True) / weight.sum([axis - 1 for axis in over]).clamp(min=1)
    return Written(mean.expand(-1, -1, reference.tokens.shape[1], -1))
