"""Where does a head look?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.batching import BATCH, Batches
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@torch.no_grad()
def attention_from(
    model: Transformer, examples: Examples, head: str, query: int
) -> Float[Tensor, "batch key"]:
    """The attention of a head (`2.0`) from one position to every position; rows sum to 1. On the CPU.

    Raises UserError for a head that does not exist.
    """
    where = Head.parse(head).check(model.config)
    site, seq = where.site("hook_pattern"), examples.tokens.shape[1]
    batches = Batches(model, examples, query)
    rows = []
    for tokens in batches:
        _, cache = model.run_with_cache(tokens, [site])
        row = cache[site][:, where.index, query].cpu()
        # Padding that was not run gets no attention. A copy, so that the whole pattern can be freed.
        rows.append(functional.pad(row, (0, seq - row.shape[1])).clone())
    return batches.restored(rows) if rows else torch.zeros(0, seq)


@torch.no_grad()
def attention_patterns(model: Transformer, examples: Examples, head: str) -> Float[Tensor, "batch query key"]:
    """The whole attention pattern of a head (`2.0`) on each input, padding included. On the CPU."""
    where = Head.parse(head).check(model.config)
    site = where.site("hook_pattern")
    parts = []
    for part in examples.batches(BATCH):
        _, cache = model.run_with_cache(part.tokens.to(model.W_E.device), [site])
        parts.append(cache[site][:, where.index].clone().cpu())
    return torch.cat(parts)
