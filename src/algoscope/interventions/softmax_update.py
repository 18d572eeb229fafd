"""Attention after one position changed: each query's softmax is updated by the one term that is new."""

from __future__ import annotations

from dataclasses import dataclass

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

READ = ("hook_q", "hook_k", "hook_v", "hook_attn_scores", "hook_pattern", "hook_z")
"""The sites of a layer's attention that an update starts from."""

Own = Float[Tensor, "variant batch head d_head"]
"""A query, key or value of each variant at the position where it differs."""


@dataclass(frozen=True, eq=False)
class CleanAttention:
    """A layer's attention in the clean run, for queries at all positions or `at` some of them."""

    attn: Attention
    cache: Cache
    bias: Bias
    at: At
    log_sum: Float[Tensor, "batch query head"]
    """Of the exponentials of each query's scores."""
    z: PerHead

    @classmethod
    def of(cls, attn: Attention, cache: Cache, bias: Bias, at: At) -> CleanAttention:
        rows = slice(None) if at is None else at
        scores, z = cache[f"{attn.name}.attn.hook_attn_scores"], cache[f"{attn.name}.attn.hook_z"]
        log_sum = rearrange(scores[:, :, rows].logsumexp(-1), "batch head query -> batch query head")
        return cls(attn, cache, bias, at, log_sum.contiguous(), z[:, rows].contiguous())

    def site(self, name: str) -> Tensor:
        return self.cache[f"{self.attn.name}.attn.{name}"]

    @property
    def queries(self) -> Int[Tensor, "query"]:
        """The positions of the queries."""
        return torch.arange(self.log_sum.shape[1], device=self.z.device) if self.at is None else self.at

    def update(self, where: Int[Tensor, "variant"], q: Own, k: Own, v: Own) -> Update:
        """What changes in variants that each have another q, k and v at one position, `where`."""
        weight = rearrange(self.site("hook_pattern")[:, :, self.queries][..., where], "b h q v -> v b q h")
        asked = self.site("hook_q")[:, self.queries] * self.attn.d_head**-0.5
        score = einsum(asked, k, "b q h d, v b h d -> v b q h")
        if self.bias is not None:
            score = score + rearrange(bias_at(self.bias, self.at)[..., where], "b one q v -> v b q one")
        gain = score - self.log_sum
        # Both sums are scaled by exp(-top), so that neither overflows.
        top = gain.clamp(min=0)
        kept, added = (-top).exp(), (gain - top).exp()
        total = (1 - weight) * kept + added
        kept = (kept / total).contiguous()
        safe = (total >= GUARD).all(-1).all(-1)
        own = self._own_query(where, q, k, v)
        return Update(self, where, (q, k, v), own, kept, -kept * weight, (added / total).contiguous(), safe)

    def _own_query(self, where: Int[Tensor, "variant"], q: Own, k: Own, v: Own) -> Own:
        """`hook_z` at the position that changed."""
        v_old, variants = self.site("hook_v"), torch.arange(len(where))
        q = q * self.attn.d_head**-0.5
        scores = einsum(q, self.site("hook_k"), "v b h d, b key h d -> v b h key")
        scores[variants, ..., where] = einsum(q, k, "v b h d, v b h d -> v b h")
        if self.bias is not None:
            own = self.bias if self.bias.shape[2] == 1 else self.bias[:, :, where]
            scores = scores + rearrange(own, "b one v key -> v b one key")
        pattern = scores.softmax(-1)
        change = v - v_old[:, where].transpose(0, 1)
        mixed = einsum(pattern, v_old, "v b h key, b key h d -> v b h d")
        return torch.addcmul(mixed, pattern[variants, ..., where][..., None], change)

    def afresh(
        self, where: Int[Tensor, "pair"], row: Int[Tensor, "pair"], new: tuple[Tensor, Tensor, Tensor]
    ) -> Float[Tensor, "pair query head d_head"]:
        """`hook_z` of some (variant, row) pairs without any shortcut."""
        full = []
        for name, value in zip(("hook_q", "hook_k", "hook_v"), new, strict=True):
            old = self.site(name)[row]
            old[torch.arange(len(row)), where] = value
            full.append(old)
        bias = None if self.bias is None else self.bias if len(self.bias) == 1 else self.bias[row]
        bias = None if bias is None else bias_at(bias, self.at)
        return self.attn.mix(full[0][:, self.queries], full[1], full[2], bias, Taps({}))


@dataclass(frozen=True, eq=False)
class Update:
    """How the queries' softmaxes change: `z = kept * z_old + dropped * v_old + added * v`."""

    clean: CleanAttention
    where: Int[Tensor, "variant"]
    new: tuple[Own, Own, Own]
    """q, k and v."""
    own: Own
    """`hook_z` of the changed position's own query."""
    kept: Float[Tensor, "variant batch query head"]
    dropped: Float[Tensor, "variant batch query head"]
    added: Float[Tensor, "variant batch query head"]
    safe: Bool[Tensor, "variant batch"]
    """Inputs for which every query's update is precise enough."""

    def z(self, part: slice) -> Float[Tensor, "rows query head d_head"]:
        """`hook_z` of these variants; rows are variants times batch."""
        where, (q, k, v) = self.where[part], (value[part] for value in self.new)
        v_old = rearrange(self.clean.site("hook_v")[:, where], "b v h d -> v b 1 h d")
        z = self.kept[part, ..., None] * self.clean.z
        z.addcmul_(self.dropped[part, ..., None], v_old)
        z.addcmul_(self.added[part, ..., None], v.unsqueeze(2))
        variant, query = (where[:, None] == self.clean.queries).nonzero(as_tuple=True)
        z[variant, :, query] = self.own[part][variant]
        if not self.safe[part].all():
            variant, row = (~self.safe[part]).nonzero(as_tuple=True)
            new = (q[variant, row], k[variant, row], v[variant, row])
            z[variant, row] = self.clean.afresh(where[variant], row, new)
        return z.flatten(0, 1)
