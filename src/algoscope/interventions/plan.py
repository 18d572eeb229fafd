"""What a variant's run can share with the clean run, and what of it can reach the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from algoscope.interventions.intervention import Place
from algoscope.model.config import Config
from algoscope.model.sites import TOKENS, Site


class Entry(IntEnum):
    """Where in a layer a run leaves the clean one."""

    EMBED = 0
    RESID_PRE = 1
    Z = 2
    RESID_MID = 3
    FINAL = 4


_ENTRIES = {
    TOKENS: Entry.EMBED,
    "hook_embed": Entry.EMBED,
    "hook_pos_embed": Entry.EMBED,
    "attn.hook_z": Entry.Z,
    "attn.hook_result": Entry.Z,
    "hook_attn_out": Entry.Z,
    "hook_resid_mid": Entry.RESID_MID,
    "hook_mlp_in": Entry.RESID_MID,
    "ln2.hook_scale": Entry.RESID_MID,
    "ln2.hook_normalized": Entry.RESID_MID,
    "mlp.hook_pre": Entry.RESID_MID,
    "mlp.hook_pre_linear": Entry.RESID_MID,
    "mlp.hook_post": Entry.RESID_MID,
    "hook_mlp_out": Entry.RESID_MID,
    "hook_resid_post": Entry.RESID_MID,
    "ln_final.hook_scale": Entry.FINAL,
    "ln_final.hook_normalized": Entry.FINAL,
    "unembed.hook_in": Entry.FINAL,
    "unembed.hook_out": Entry.FINAL,
}
"""All other sites come before the pattern is settled: RESID_PRE."""

_BEFORE_QUERIES = {
    "hook_resid_pre",
    "hook_attn_in",
    "hook_k_input",
    "hook_v_input",
    "ln1.hook_scale",
    "ln1.hook_normalized",
    "attn.hook_k",
    "attn.hook_v",
}
"""Sites of a layer that its other positions read from; those that follow act on their own position alone."""


@dataclass(frozen=True)
class Plan:
    """How one variant is run: from where, and whether it starts as a change of a single position."""

    layer: int
    entry: Entry
    position: int | None
    """The one position that changes before any mixing; None if there are several, or scores change."""


def entry(site: Site) -> Entry:
    return _ENTRIES.get(site.kind, Entry.RESID_PRE)


def read_at_answer(site: Site, config: Config) -> bool:
    """Whether nothing but the answer's positions reads from this site."""
    last = site.layer == config.n_layers - 1 and site.kind not in _BEFORE_QUERIES
    return last or entry(site) is Entry.FINAL


def reaches(here: Place, config: Config, answers: Sequence[int], masked: bool = True) -> bool:
    """Whether an edit there can change the logits at the answer's positions.

    `masked` is whether attention keeps its mask: an edit of scores, patterns or tokens (which may be padding)
    may let later keys through.
    """
    if here.position is None:
        return True
    if read_at_answer(here.site, config):
        return bool(set(here.position) & set(answers))
    return config.attention_dir != "causal" or not masked or min(here.position) <= max(answers)


def plan(places: Sequence[Place], config: Config) -> Plan:
    """The plan of a variant that acts at these places, of which there is at least one."""
    starts = [_start(here.site, config) for here in places]
    layer, first = min(starts)
    positions = {here.position for here in places}
    single = next(iter(positions)) if len(positions) == 1 else None
    local = all(
        start[0] == layer and "query" not in p.site.axes for start, p in zip(starts, places, strict=True)
    )
    in_layer = first in (Entry.RESID_PRE, Entry.Z, Entry.RESID_MID)
    # After the last layer's queries only the answer's few positions are left anyway.
    useful = in_layer and (layer < config.n_layers - 1 or first is Entry.RESID_PRE)
    position = single[0] if single is not None and len(single) == 1 and local and useful else None
    return Plan(layer, first, position)


def _start(site: Site, config: Config) -> tuple[int, Entry]:
    where = entry(site)
    if site.layer is not None:
        return site.layer, where
    return (0 if where is Entry.EMBED else config.n_layers), where
