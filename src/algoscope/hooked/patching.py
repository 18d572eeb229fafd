"""Activation patching by the old calls, `get_act_patch_resid_pre(model, corrupted, clean_cache, metric)`.

One run for each patch, as before. `algoscope.interventions.sweep` runs thousands of them as one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.hooked.absent import not_importable
from algoscope.hooked.cache import ActivationCache
from algoscope.hooked.hook_points import HookPoint
from algoscope.hooked.model import HookedTransformer
from algoscope.hooked.utils import get_act_name

Metric = Callable[[Tensor], Tensor | float]
"""A number from a run's logits `[batch seq class]`."""

VALUE_AXES = {
    **dict.fromkeys(("resid_pre", "resid_mid", "attn_out", "mlp_out"), ("pos",)),
    **dict.fromkeys(("z", "q", "k", "v"), ("pos", "head")),
    "pattern": ("head", "dest_pos", "src_pos"),
}
"""What a value's axes after the batch are, as far as a patch may be of one place along them."""
UNKNOWN = dict.fromkeys(
    ("generic_activation_patch", "make_df_from_ranges"),
    "write the loop, with model.run_with_hooks, or use algoscope.interventions.sweep",
)


@dataclass(frozen=True)
class Patch:
    """The metric for each place of `axes` where a site of the corrupted run is given the clean value."""

    site: str
    axes: tuple[str, ...]
    """Of the result; the layer comes first. Along the others the whole value is patched."""

    def __call__(
        self,
        model: HookedTransformer,
        corrupted_tokens: Int[Tensor, "batch seq"],
        clean_cache: ActivationCache,
        patching_metric: Metric,
    ) -> Float[Tensor, "layer *axes"]:
        seq = corrupted_tokens.shape[-1]
        sizes = {"layer": model.cfg.n_layers, "head": model.cfg.n_heads}
        results = torch.zeros([sizes.get(axis, seq) for axis in self.axes], device=model.cfg.device)
        for index in product(*map(range, results.shape)):
            named = dict(zip(self.axes, index, strict=True))
            place = (slice(None), *(named.get(axis, slice(None)) for axis in VALUE_AXES[self.site]))

            def put(value: Tensor, hook: HookPoint, place: tuple[Any, ...] = place) -> None:
                value[place] = clean_cache[hook.name][place]

            name = get_act_name(self.site, index[0])
            with torch.no_grad():
                logits = model.run_with_hooks(corrupted_tokens, fwd_hooks=[(name, put)])
                results[index] = patching_metric(logits)
        return results


get_act_patch_resid_pre = Patch("resid_pre", ("layer", "pos"))
get_act_patch_resid_mid = Patch("resid_mid", ("layer", "pos"))
get_act_patch_attn_out = Patch("attn_out", ("layer", "pos"))
get_act_patch_mlp_out = Patch("mlp_out", ("layer", "pos"))

get_act_patch_attn_head_out_by_pos = Patch("z", ("layer", "pos", "head"))
get_act_patch_attn_head_q_by_pos = Patch("q", ("layer", "pos", "head"))
get_act_patch_attn_head_k_by_pos = Patch("k", ("layer", "pos", "head"))
get_act_patch_attn_head_v_by_pos = Patch("v", ("layer", "pos", "head"))
get_act_patch_attn_head_pattern_by_pos = Patch("pattern", ("layer", "head", "dest_pos"))
get_act_patch_attn_head_pattern_dest_src_pos = Patch("pattern", ("layer", "head", "dest_pos", "src_pos"))

get_act_patch_attn_head_out_all_pos = Patch("z", ("layer", "head"))
get_act_patch_attn_head_q_all_pos = Patch("q", ("layer", "head"))
get_act_patch_attn_head_k_all_pos = Patch("k", ("layer", "head"))
get_act_patch_attn_head_v_all_pos = Patch("v", ("layer", "head"))
get_act_patch_attn_head_pattern_all_pos = Patch("pattern", ("layer", "head"))


def get_act_patch_block_every(
    model: HookedTransformer, corrupted_tokens: Tensor, clean_cache: ActivationCache, metric: Metric
) -> Float[Tensor, "kind layer pos"]:
    """Of the stream before each block, its attention and its MLP."""
    patches = (get_act_patch_resid_pre, get_act_patch_attn_out, get_act_patch_mlp_out)
    return torch.stack([patch(model, corrupted_tokens, clean_cache, metric) for patch in patches])


def get_act_patch_attn_head_all_pos_every(
    model: HookedTransformer, corrupted_tokens: Tensor, clean_cache: ActivationCache, metric: Metric
) -> Float[Tensor, "kind layer head"]:
    """Of each head's output, queries, keys, values and pattern."""
    patches = [Patch(site, ("layer", "head")) for site in ("z", "q", "k", "v", "pattern")]
    return torch.stack([patch(model, corrupted_tokens, clean_cache, metric) for patch in patches])


def get_act_patch_attn_head_by_pos_every(
    model: HookedTransformer, corrupted_tokens: Tensor, clean_cache: ActivationCache, metric: Metric
) -> Float[Tensor, "kind layer pos head"]:
    """The same by position; a pattern's is the query's."""
    patches = [Patch(site, ("layer", "pos", "head")) for site in ("z", "q", "k", "v")]
    results = [patch(model, corrupted_tokens, clean_cache, metric) for patch in patches]
    pattern = get_act_patch_attn_head_pattern_by_pos(model, corrupted_tokens, clean_cache, metric)
    return torch.stack([*results, rearrange(pattern, "layer head pos -> layer pos head")])


def __getattr__(name: str) -> Any:
    raise not_importable("algoscope.hooked.patching", name, UNKNOWN)
