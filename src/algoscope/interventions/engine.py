"""Many variants of one run as one batch: each enters where it leaves the clean run.

Exact shortcuts, all of them also in the one-by-one loop's result to rounding:

- the clean run up to a variant's first edit is shared;
- in the last layer only the answer's positions are queries;
- while a variant differs from the clean run at a single position, only that position is computed, and
  where attention mixes it into the others, their softmax is updated by the one term that changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.interventions import in_place
from algoscope.interventions.edits import Edit
from algoscope.interventions.needs import Inputs
from algoscope.interventions.plan import Entry, Plan, read_at_answer
from algoscope.interventions.softmax_update import READ, CleanAttention
from algoscope.model.layers import Bias
from algoscope.model.sites import TOKENS, Cache, Hook, Site, Taps
from algoscope.model.transformer import Transformer

Edits = Sequence[Sequence[Edit]]
"""The edits of each variant."""


class Engine:
    """Runs variants on some rows of a batch, next to the clean run on those rows."""

    def __init__(
        self,
        model: Transformer,
        inputs: Inputs,
        answers: Int[Tensor, "answer"],
        plans: Sequence[Plan],
        rows_at_once: int,
        also: Iterable[str] = (),
    ) -> None:
        """`also` are further sites of the clean run to keep."""
        self.model = model
        self.inputs = inputs
        self.answers = answers
        self.bias = model.attention_bias(inputs.tokens)
        self.last = model.config.n_layers - 1
        self.part = max(1, rows_at_once // len(inputs))
        kept = sorted(self._needed(plans) | set(also))
        self.clean: Cache = model.run_with_cache(inputs.tokens, kept, position_ids=inputs.position_ids)[1]
        self._untapped = Taps(model.sites)

    def clean_logits(self) -> Float[Tensor, "batch answer class"]:
        """The logits of the run without interventions."""
        resid = self.clean[f"blocks.{self.last}.hook_resid_post"][:, self.answers]
        return self.model.read_out(resid, self._untapped)

    def logits(
        self, plan: Plan, positions: Sequence[int], edits: Edits
    ) -> Float[Tensor, "variant batch answer class"]:
        """Logits of variants that share a plan, but for their `positions` (empty if it has no single one)."""
        if plan.position is None:
            parts = [edits[start : start + self.part] for start in range(0, len(edits), self.part)]
            logits = torch.cat([self._from_many(plan, part) for part in parts])
        else:
            where = torch.tensor(positions, device=self.answers.device)
            logits = self._from_one(plan, where, edits)
        found: Tensor = logits.unflatten(0, (len(edits), -1))
        return found

    def _needed(self, plans: Sequence[Plan]) -> set[str]:
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
                mixing = f"blocks.{mixing_layer(plan)}"
                names |= {f"{mixing}.hook_resid_pre", *(f"{mixing}.attn.{site}" for site in READ)}
        return names

    def _resid_mid(self, layer: int) -> str:
        """The stream that `from_resid_mid` starts from: an attention-only layer's has no name but its end."""
        return (
            f"blocks.{layer}.hook_resid_mid" if self.model.config.d_mlp else f"blocks.{layer}.hook_resid_post"
        )

    def _from_many(self, plan: Plan, edits: Edits) -> Float[Tensor, "rows answer class"]:
        """Logits of variants that may differ anywhere."""
        tap, variants, layer = self._taps(edits), len(edits), plan.layer
        at = slice(None) if layer < self.last else self.answers
        if plan.entry is Entry.FINAL:
            resid = self._copies(f"blocks.{self.last}.hook_resid_post", variants, self.answers)
            return self.model.read_out(resid, tap)
        if plan.entry is Entry.EMBED:
            ids = self.inputs.position_ids
            ids = None if ids is None else ids.repeat(variants, 1)
            tokens = self.model.read_in(self.inputs.tokens.repeat(variants, 1), tap)
            bias = self.model.attention_bias(tokens) if tap.want(TOKENS) else self.bias
            return self._finish(self.model.embedded(tokens, tap, ids), 0, tap, bias)
        if plan.entry is Entry.RESID_PRE:
            resid = self._copies(f"blocks.{layer}.hook_resid_pre", variants, slice(None))
            return self._finish(resid, layer, tap, self.bias)
        block = self.model.block(layer)
        if plan.entry is Entry.RESID_MID:
            resid = block.from_resid_mid(self._copies(self._resid_mid(layer), variants, at), tap)
        else:
            resid = self._copies(f"blocks.{layer}.hook_resid_pre", variants, at)
            z = self._copies(f"blocks.{layer}.attn.hook_z", variants, at)
            resid = in_place.from_z(block, resid, z, tap)
        return self._finish(resid, layer + 1, tap, self.bias)

    def _from_one(
        self, plan: Plan, where: Int[Tensor, "variant"], edits: Edits
    ) -> Float[Tensor, "rows answer class"]:
        """Logits of variants that each differ at one position at first."""
        own = [
            [edit.held_at([position]) for edit in variant]
            for variant, position in zip(edits, where.tolist(), strict=True)
        ]
        local = Taps(self.model.sites, stacked_hooks(own))
        layer = mixing_layer(plan)
        resid = self._before_mixing(plan, where, local)
        # Edits that come after the mixing, if it is in their own layer.
        later = edits if plan.entry is Entry.RESID_PRE else [()] * len(edits)
        here = local if plan.entry is Entry.RESID_PRE else self._untapped
        block = self.model.block(layer)
        new = block.attn.queries_keys_values(resid, block.ln1(resid, here), block.ln1, here)
        clean = CleanAttention.of(
            block.attn, self.clean, self.bias, None if layer < self.last else self.answers
        )
        q, k, v = (value.squeeze(1).unflatten(0, (len(where), -1)) for value in new)
        update = clean.update(where, q, k, v)
        changed = resid.view(len(where), -1, resid.shape[-1])
        # In the last layer only the answer's positions are left: few enough to go as one part.
        size = self.part if layer < self.last else len(edits)
        logits = []
        for part in (slice(start, start + size) for start in range(0, len(edits), size)):
            tap = self._taps(later[part])
            before = self._replaced(layer, where[part], changed[part], clean.queries)
            after = in_place.from_z(block, before, update.z(part), tap)
            logits.append(self._finish(after, layer + 1, tap, self.bias))
        return torch.cat(logits)

    def _before_mixing(
        self, plan: Plan, where: Int[Tensor, "variant"], local: Taps
    ) -> Float[Tensor, "rows 1 d_model"]:
        """The stream at each variant's position before the layer that mixes it into the others."""
        at, block = f"blocks.{plan.layer}", self.model.block(plan.layer)
        if plan.entry is Entry.RESID_PRE:
            return local(f"{at}.hook_resid_pre", self._there(f"{at}.hook_resid_pre", where))
        if plan.entry is Entry.Z:
            z = self._there(f"{at}.attn.hook_z", where)
            return in_place.from_z(block, self._there(f"{at}.hook_resid_pre", where), z, local)
        return block.from_resid_mid(self._there(self._resid_mid(plan.layer), where), local)

    def _replaced(
        self,
        layer: int,
        where: Int[Tensor, "variant"],
        changed: Float[Tensor, "variant batch d_model"],
        queries: Int[Tensor, "query"],
    ) -> Float[Tensor, "rows query d_model"]:
        """The stream before a layer at these queries, with each variant's own position changed."""
        resid = self._copies(f"blocks.{layer}.hook_resid_pre", len(where), queries)
        variant, query = (where[:, None] == queries).nonzero(as_tuple=True)
        resid.unflatten(0, (len(where), -1))[variant, :, query] = changed[variant]
        return resid

    def _finish(self, resid: Tensor, layer: int, tap: Taps, bias: Bias) -> Float[Tensor, "rows answer class"]:
        """Logits at the answer's positions, from the stream before a layer (or after the last one)."""
        if bias is not None and len(bias) > 1:
            bias = bias.repeat(len(resid) // len(bias), 1, 1, 1)
        for index in range(layer, self.last + 1):
            block = self.model.block(index)
            at = self.answers if index == self.last else None
            resid = tap(f"{block.name}.hook_resid_pre", resid)
            z = block.attn(resid, block.ln1, bias, tap, at)
            resid = in_place.from_z(block, resid if at is None else resid[:, at], z, tap)
        return self.model.read_out(resid, tap)

    def _copies(self, name: str, variants: int, at: slice | Tensor) -> Float[Tensor, "rows query ..."]:
        """A clean value once for each variant, in memory of its own."""
        value = self.clean[name][:, at]
        return value.repeat(variants, *[1] * (value.ndim - 1))

    def _there(self, name: str, where: Int[Tensor, "variant"]) -> Float[Tensor, "rows 1 ..."]:
        """A clean value at each variant's own position, in memory of its own."""
        return self.clean[name].transpose(0, 1)[where].flatten(0, 1).unsqueeze(1)

    def _taps(self, edits: Edits) -> Taps:
        """The edits as hooks, cut to the answer's positions where only those are computed."""
        config, answers = self.model.config, self.answers.tolist()
        reaching = [
            [edit.held_at(answers) if read_at_answer(edit.site, config) else edit for edit in variant]
            for variant in edits
        ]
        return Taps(self.model.sites, stacked_hooks(reaching))


def mixing_layer(plan: Plan) -> int:
    """The layer in which a change at one position first reaches others."""
    return plan.layer if plan.entry is Entry.RESID_PRE else plan.layer + 1


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
