"""What is at one site of a model, on these examples?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import Batches
from algoscope.model.sites import Cache, Taps, find, recording
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@torch.no_grad()
def values_at(
    model: Transformer, examples: Examples, site: str, position: int | None = None
) -> Float[Tensor, "batch *rest"]:
    """The values of a site inside a block, at one position (the query's, for patterns) or at all of them.

    On the CPU. Only the layers up to the site's are run. Raises UserError for a site that does not exist.
    """
    where = find(model.sites, site)
    assert where.layer is not None, "values_at reads sites inside blocks"
    place = slice(None) if position is None else position
    batches, parts = Batches(model, examples, place), []
    for tokens in batches:
        cache = Cache()
        tap = Taps(model.sites, [(site, recording(cache))])
        resid, bias = model.embedded(tokens, tap), model.attention_bias(tokens)
        for layer in range(where.layer + 1):
            resid = model.block(layer)(resid, bias, tap)
        at = [slice(None)] * where.position_axis + [place]
        # A copy, so that the other positions can be freed.
        parts.append(cache[site][tuple(at)].clone().cpu())
    return batches.restored(parts)
