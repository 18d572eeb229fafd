"""Many variants of one run as one batch: each enters where it leaves the clean run.

Exact shortcuts, all of them also in the one-by-one loop's result to rounding:

- the clean run up to a variant's first edit is shared;
- in the last layer only the answer's positions are queries;
- while a variant differs from the clean run at a single position, only that position is computed, and
  where attention mixes it into the others, their softmax is updated by the one term that changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.interventions.edits import Edit
from algoscope.interventions.plan import Entry, Plan, read_at_answer
from algoscope.interventions.softmax_update import replace_position
from algoscope.model.sites import Cache, Hook, Site, Taps
from algoscope.model.transformer import Transformer

Edits = Sequence[Sequence[Edit]]
"""The edits of each variant of a chunk."""


class Engine:
    """Runs chunks of variants on some rows of a batch, next to the clean run on those rows."""

    def __init__(
        self,
        model: Transformer,
        tokens: Int[Tensor, "batch seq"],
        answers: Int[Tensor, "answer"],
        plans: Sequence[Plan],
    ) -> None:
        self.model = model
        self.tokens = tokens
        self.answers = answers
        self.bias = model.attention_bias(tokens)
        self.last = model.config.n_layers - 1
        self.clean: Cache = model.run_with_cache(tokens, sites=self._needed(plans))[1]

    def clean_logits(self) -> Float[Tensor, "batch answer class"]:
        """The logits of the run without interventions."""
        resid = self.clean[f"blocks.{self.last}.hook_resid_post"][:, self.answers]
        return self.model.read_out(resid, Taps(self.model.sites))

    def logits(
        self, plan: Plan, positions: Sequence[int], edits: Edits
    ) -> Float[Tensor, "variant batch answer class"]:
        """Logits of variants that share a plan, but for their `positions` (empty if it has no single one)."""
        tap = self._taps([[self._reaching(edit) for edit in variant] for variant in edits])
        if plan.position is None:
            resid, layer = self._enter(plan, len(edits), tap)
        else:
            local = [
                [edit.held_at([position]) for edit in variant]
                for variant, position in zip(edits, positions, strict=True)
            ]
            where = torch.tensor(positions, device=self.tokens.device)
            resid, layer = self._enter_at_position(plan, where, self._taps(local), tap)
        resid = self._finish(resid, layer, len(edits), tap)
        logits: Tensor = self.model.read_out(resid, tap).unflatten(0, (len(edits), -1))
        return logits

    def _needed(self, plans: Sequence[Plan]) -> list[str]:
        """Sites of the clean run that the variants start from, or are compared with."""
        names = {f"blocks.{self.last}.hook_resid_post"}
        for plan in plans:
            at = f"blocks.{plan.layer}"
            if plan.entry in (Entry.RESID_PRE, Entry.Z):
                names.add(f"{at}.hook_resid_pre")
            if plan.entry is Entry.Z:
                names.add(f"{at}.attn.hook_z")
            if plan.entry is Entry.RESID_MID:
                names.add(self._resid_mid(plan.layer))
            if plan.position is not None:
                mixing = f"blocks.{plan.layer + (plan.entry is not Entry.RESID_PRE)}"
                sites = ("q", "k", "v", "z", "attn_scores", "pattern")
                names |= {f"{mixing}.hook_resid_pre", *(f"{mixing}.attn.hook_{site}" for site in sites)}
        return [name for name in self.model.sites if name in names]

    def _resid_mid(self, layer: int) -> str:
        """The stream that `from_resid_mid` starts from: an attention-only layer's has no name but its end."""
        return (
            f"blocks.{layer}.hook_resid_mid" if self.model.config.d_mlp else f"blocks.{layer}.hook_resid_post"
        )

    def _enter(self, plan: Plan, variants: int, tap: Taps) -> tuple[Tensor, int]:
        """The stream before some layer, of variants that leave the clean run together: (resid, layer)."""
        at = slice(None) if plan.layer < self.last else self.answers
        if plan.entry is Entry.EMBED:
            return self.model.embedded(self.tokens.repeat(variants, 1), tap), 0
        if plan.entry is Entry.RESID_PRE:
            return self._copies(f"blocks.{plan.layer}.hook_resid_pre", variants, slice(None)), plan.layer
        if plan.entry is Entry.FINAL:
            return self._copies(f"blocks.{self.last}.hook_resid_post", variants, self.answers), plan.layer
        block = self.model.block(plan.layer)
        if plan.entry is Entry.RESID_MID:
            return block.from_resid_mid(
                self._copies(self._resid_mid(plan.layer), variants, at), tap
            ), plan.layer + 1
        resid = self._copies(f"blocks.{plan.layer}.hook_resid_pre", variants, at)
        z = self._copies(f"blocks.{plan.layer}.attn.hook_z", variants, at)
        return block.from_z(resid, z, tap), plan.layer + 1

    def _enter_at_position(
        self, plan: Plan, where: Int[Tensor, "variant"], local: Taps, tap: Taps
    ) -> tuple[Tensor, int]:
        """The same of variants that each differ at one position; `local` taps see that position alone."""
        at = f"blocks.{plan.layer}"
        block = self.model.block(plan.layer)
        if plan.entry is Entry.RESID_PRE:
            resid = local(f"{at}.hook_resid_pre", self._there(f"{at}.hook_resid_pre", where))
            return self._mix(plan.layer, where, resid, local, tap), plan.layer + 1
        if plan.entry is Entry.Z:
            z = self._there(f"{at}.attn.hook_z", where)
            resid = block.from_z(self._there(f"{at}.hook_resid_pre", where), z, local)
        else:
            resid = block.from_resid_mid(self._there(self._resid_mid(plan.layer), where), local)
        untapped = Taps(self.model.sites)
        return self._mix(plan.layer + 1, where, resid, untapped, untapped), plan.layer + 2

    def _mix(
        self,
        layer: int,
        where: Int[Tensor, "variant"],
        resid: Float[Tensor, "rows 1 d_model"],
        local: Taps,
        tap: Taps,
    ) -> Float[Tensor, "rows query d_model"]:
        """The stream after a layer whose input differs from the clean run's at one position."""
        block = self.model.block(layer)
        at = None if layer < self.last else self.answers
        new = block.attn.queries_keys_values(resid, block.ln1(resid, local), block.ln1, local)
        z = replace_position(block.attn, self.clean, self.bias, where, new, at)
        before = self._copies(f"blocks.{layer}.hook_resid_pre", len(where), slice(None))
        stacked = before.unflatten(0, (len(where), -1))
        stacked[torch.arange(len(where)), :, where] = resid.view(len(where), -1, resid.shape[-1])
        return block.from_z(before if at is None else before[:, at], z, tap)

    def _finish(
        self, resid: Tensor, layer: int, variants: int, tap: Taps
    ) -> Float[Tensor, "rows answer d_model"]:
        """The stream after the last layer, at the answer's positions."""
        bias = self.bias
        if bias is not None and len(bias) > 1:
            bias = bias.repeat(variants, 1, 1, 1)
        for index in range(layer, self.last + 1):
            resid = self.model.block(index)(resid, bias, tap, self.answers if index == self.last else None)
        return resid

    def _copies(self, name: str, variants: int, at: slice | Tensor) -> Float[Tensor, "rows query ..."]:
        """A clean value once for each variant."""
        value = self.clean[name][:, at]
        return value.repeat(variants, *[1] * (value.ndim - 1))

    def _there(self, name: str, where: Int[Tensor, "variant"]) -> Float[Tensor, "rows 1 ..."]:
        """A clean value at each variant's own position."""
        return self.clean[name][:, where].transpose(0, 1).flatten(0, 1).unsqueeze(1)

    def _reaching(self, edit: Edit) -> Edit | None:
        """The edit, cut to the answer's positions where only those are computed."""
        here = read_at_answer(edit.site, self.model.config)
        return edit.held_at(self.answers.tolist()) if here else edit

    def _taps(self, edits: Sequence[Sequence[Edit | None]]) -> Taps:
        return Taps(self.model.sites, stacked_hooks(edits))


def stacked_hooks(edits: Sequence[Sequence[Edit | None]]) -> list[tuple[str, Hook]]:
    """Hooks that apply each variant's edits to its own part of a value `[variant * batch, *axes]`."""
    by_site: dict[str, list[tuple[int, Edit]]] = defaultdict(list)
    for variant, its in enumerate(edits):
        for edit in its:
            if edit is not None:
                by_site[edit.site.name].append((variant, edit))
    return [(name, _stacked(found, len(edits))) for name, found in by_site.items()]


def _stacked(edits: Sequence[tuple[int, Edit]], variants: int) -> Hook:
    def change(value: Tensor, site: Site) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        parts = value.unflatten(0, (variants, -1))
        for variant, edit in edits:
            edit.apply(parts[variant])
        return value

    return change
