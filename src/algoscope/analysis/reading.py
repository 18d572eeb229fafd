"""What is at one site of a model, on these examples?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.batching import Batches
from algoscope.model.sites import Cache, Site, Taps, find, recording
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

AT_EVERY_POSITION = (
    "hook_resid_pre", "ln1.hook_scale", "ln1.hook_normalized", "hook_q_input", "hook_k_input", "hook_v_input",
    "attn.hook_q", "attn.hook_k", "attn.hook_v",
)  # fmt: skip
"""Sites that attention needs everywhere; behind them, a layer can compute one position alone."""


@torch.no_grad()
def values_at(
    model: Transformer, examples: Examples, site: str, position: int | None = None
) -> Float[Tensor, "batch *rest"]:
    """The values of a site inside a block, at one position (the query's, for patterns) or at all of them.

    On the CPU. Only the layers up to the site's are run, and only what it needs of its own. Raises
    UserError for a site that does not exist.
    """
    where = find(model.sites, site)
    batches = Batches(model, examples, slice(None) if position is None else position)
    values = torch.zeros(0)
    for rows, tokens in batches.with_rows():
        part = _read(model, tokens, where, position)
        if where.axes[-1] == "key":
            # Padding that was not run gets no attention.
            part = functional.pad(part, (0, examples.tokens.shape[1] - part.shape[-1]))
        if not len(values):
            # Filled batch by batch: joining parts at the end would hold everything twice.
            values = part.new_empty(len(examples), *part.shape[1:])
        values[rows] = part
    return values


def _read(model: Transformer, tokens: Tensor, site: Site, position: int | None) -> Tensor:
    assert site.layer is not None, "values_at reads sites inside blocks"
    cache = Cache()
    tap = Taps(model.sites, [(site.name, recording(cache))])
    alone = position is not None and site.kind not in AT_EVERY_POSITION
    at = torch.tensor([position], device=tokens.device) % tokens.shape[1] if alone else None
    resid, bias = model.embedded(tokens, tap), model.attention_bias(tokens)
    for layer in range(site.layer + 1):
        resid = model.block(layer)(resid, bias, tap, at if layer == site.layer else None)
    value = cache[site.name]
    if position is not None:
        value = value.select(site.position_axis, 0 if alone else position)
    return value.cpu()
