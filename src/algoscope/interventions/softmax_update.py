"""Attention after one position changed: each query's softmax is updated by the one term that is new."""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.model.layers import At, Attention, Bias, PerHead, bias_at
from algoscope.model.sites import Cache, Taps

GUARD = 0.03
"""The share of a softmax's old sum that must be left, or be new, for an update to be exact to about 1e-5.

Taking out a term that held nearly all of the weight leaves a difference of nearly equal numbers, good to
1e-7 / GUARD. Where less is left, the attention of that input is computed afresh."""


def replace_position(
    attn: Attention,
    clean: Cache,
    bias: Bias,
    where: Int[Tensor, "variant"],
    new: tuple[PerHead, PerHead, PerHead],
    at: At,
) -> Float[Tensor, "rows query head d_head"]:
    """`hook_z` of every variant; `where` says what position changed, and `new` holds its q, k and v.

    Rows are variants times batch. For queries `at` some positions alone, if they are given.
    """
    q, k, v = (value.squeeze(1).unflatten(0, (len(where), -1)) for value in new)
    z, safe = _update_others(attn, clean, bias, where, k, v, at)
    queries = torch.arange(clean[f"{attn.name}.attn.hook_q"].shape[1]) if at is None else at
    own = (where[:, None] == queries.to(where.device)).nonzero(as_tuple=True)
    if len(own[0]):
        z[own[0], :, own[1]] = _own_query(attn, clean, bias, where, q, k, v)[own[0]]
    if not safe.all():
        variant, row = (~safe).nonzero(as_tuple=True)
        z[variant, row] = _afresh(attn, clean, bias, where, (q, k, v), (variant, row), at)
    return z.flatten(0, 1)


def _update_others(
    attn: Attention,
    clean: Cache,
    bias: Bias,
    where: Int[Tensor, "variant"],
    k: Float[Tensor, "variant batch head d_head"],
    v: Float[Tensor, "variant batch head d_head"],
    at: At,
) -> tuple[Float[Tensor, "variant batch query head d_head"], Bool[Tensor, "variant batch"]]:
    """`hook_z` of the queries that did not change themselves, and for which inputs it can be trusted."""
    rows = slice(None) if at is None else at
    name = f"{attn.name}.attn"
    q_old, z_old = clean[f"{name}.hook_q"][:, rows], clean[f"{name}.hook_z"][:, rows]
    log_sum = clean[f"{name}.hook_attn_scores"][:, :, rows].logsumexp(-1)
    weight_old = rearrange(clean[f"{name}.hook_pattern"][:, :, rows][..., where], "b h q v -> v b q h")
    score = einsum(q_old * attn.d_head**-0.5, k, "b q h d, v b h d -> v b q h")
    if bias is not None:
        score = score + rearrange(bias_at(bias, at)[..., where], "b one q v -> v b q one")
    gain = score - rearrange(log_sum, "b h q -> b q h")
    # Both sums are scaled by exp(-top), so that neither overflows.
    top = gain.clamp(min=0)
    kept, added = (-top).exp(), (gain - top).exp()
    total = (1 - weight_old) * kept + added
    kept, added = kept / total, added / total
    v_old = rearrange(clean[f"{name}.hook_v"][:, where], "b v h d -> v b 1 h d")
    z = kept[..., None] * z_old
    z.addcmul_((kept * weight_old).neg()[..., None], v_old).addcmul_(added[..., None], v.unsqueeze(2))
    return z, (total >= GUARD).all(-1).all(-1)


def _own_query(
    attn: Attention,
    clean: Cache,
    bias: Bias,
    where: Int[Tensor, "variant"],
    q: Float[Tensor, "variant batch head d_head"],
    k: Float[Tensor, "variant batch head d_head"],
    v: Float[Tensor, "variant batch head d_head"],
) -> Float[Tensor, "variant batch head d_head"]:
    """`hook_z` at the position that changed."""
    name = f"{attn.name}.attn"
    q = q * attn.d_head**-0.5
    v_old = clean[f"{name}.hook_v"]
    scores = einsum(q, clean[f"{name}.hook_k"], "v b h d, b key h d -> v b h key")
    variants = torch.arange(len(where))
    scores[variants, ..., where] = einsum(q, k, "v b h d, v b h d -> v b h")
    if bias is not None:
        own = bias if bias.shape[2] == 1 else bias[:, :, where]
        scores = scores + rearrange(own, "b one v key -> v b one key")
    pattern = scores.softmax(-1)
    change = v - v_old[:, where].transpose(0, 1)
    mixed = einsum(pattern, v_old, "v b h key, b key h d -> v b h d")
    return torch.addcmul(mixed, pattern[variants, ..., where][..., None], change)


def _afresh(
    attn: Attention,
    clean: Cache,
    bias: Bias,
    where: Int[Tensor, "variant"],
    new: tuple[Tensor, Tensor, Tensor],
    chosen: tuple[Tensor, Tensor],
    at: At,
) -> Float[Tensor, "chosen query head d_head"]:
    """`hook_z` of some (variant, row) pairs without any shortcut."""
    variant, row = chosen
    full = []
    for letter, value in zip("qkv", new, strict=True):
        old = clean[f"{attn.name}.attn.hook_{letter}"][row]
        old[torch.arange(len(row)), where[variant]] = value[variant, row]
        full.append(old)
    q, k, v = full
    bias = None if bias is None else bias_at(bias if len(bias) == 1 else bias[row], at)
    return attn.mix(q if at is None else q[:, at], k, v, bias, Taps({}))
