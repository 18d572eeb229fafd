"""What is at one site of a model, on these examples?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.batching import Batch, Mask, at_position, batches, everywhere
from algoscope.model.sites import Cache, Recording, Site, Taps, find
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

AT_EVERY_POSITION = (
    "hook_resid_pre", "ln1.hook_scale", "ln1.hook_normalized", "hook_attn_in", "hook_q_input", "hook_k_input",
    "hook_v_input", "attn.hook_q", "attn.hook_k", "attn.hook_v",
)  # fmt: skip
"""Sites that attention needs everywhere; behind them, a layer can compute a few positions alone."""


@torch.no_grad()
def values_at(
    model: Transformer, examples: Examples, site: str, at: int | Mask | None = None
) -> Float[Tensor, "row *rest"]:
    """The values of a site inside a block: at one position, at marked places, or `[batch seq ...]` at all.

    For scores and patterns the place is the query's. On the CPU. Only the layers up to the site's are run,
    and only what it needs of its own. Raises UserError for a site that does not exist.
    """
    where, seq = find(model.sites, site), examples.tokens.shape[1]
    mask = everywhere(examples) if at is None else at_position(examples, at) if isinstance(at, int) else at
    values = torch.zeros(0)
    for batch in batches(model, examples, mask):
        part = _read(model, batch, where)
        if where.axes[-1] == "key":
            # Padding that was not run gets no attention.
            part = functional.pad(part, (0, seq - part.shape[-1]))
        if not len(values):
            # Filled batch by batch: joining parts at the end would hold everything twice.
            values = part.new_empty(int(mask.sum()), *part.shape[1:])
        values[batch.rows] = part
    if at is not None or not len(values):
        return values
    whole: Tensor = values.unflatten(0, (len(examples), seq))
    return whole.movedim(1, where.position_axis)


def _read(model: Transformer, batch: Batch, site: Site) -> Float[Tensor, "row *rest"]:
    assert site.layer is not None, "values_at reads sites inside blocks"
    cache = Cache()
    tap = Taps(model.sites, [(site.name, Recording(cache))])
    alone = site.kind not in AT_EVERY_POSITION
    at = batch.at.any(0).nonzero()[:, 0]
    resid = model.embedded(batch.tokens, tap, batch.position_ids)
    bias = model.attention_bias(batch.tokens)
    for layer in range(site.layer + 1):
        resid = model.block(layer)(resid, bias, tap, at if alone and layer == site.layer else None)
    value = cache[site.name].movedim(site.position_axis, 1)
    return value[batch.at[:, at] if alone else batch.at].cpu()
