"""Where does a head look?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import BATCH
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@torch.no_grad()
def attention_from(
    model: Transformer, examples: Examples, head: str, query: int
) -> Float[Tensor, "batch key"]:
    """The attention of a head (`2.0`) from one position to every position; rows sum to 1. On the CPU.

    Raises UserError for a head that does not exist.
    """
    layer, index = _address(model, head)
    site = f"blocks.{layer}.attn.hook_pattern"
    rows = []
    for part in examples.batches(BATCH):
        _, cache = model.run_with_cache(part.tokens.to(model.W_E.device), [site])
        # A copy of the row, so that the whole pattern can be freed.
        rows.append(cache[site][:, index, query].clone().cpu())
    return torch.cat(rows) if rows else torch.zeros(0, examples.tokens.shape[1])


def _address(model: Transformer, head: str) -> tuple[int, int]:
    layers, heads = model.config.n_layers, model.config.n_heads
    known = {f"{layer}.{index}": (layer, index) for layer in range(layers) for index in range(heads)}
    if head not in known:
        raise UserError(
            f"head {head} does not exist: the model has layers 0-{layers - 1} with {heads} heads each"
        )
    return known[head]
