"""Where does a head look?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import BATCH
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def attention_from(
    model: Transformer, examples: Examples, head: str, query: int
) -> Float[Tensor, "batch key"]:
    """The attention of a head (`2.0`) from one position to every position; rows sum to 1. On the CPU.

    Raises UserError for a head that does not exist.
    """
    where = Head.parse(head).check(model.config)
    if not len(examples):
        return torch.zeros(0, examples.tokens.shape[1])
    return values_at(model, examples, where.site("hook_pattern"), query)[:, where.index]


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
