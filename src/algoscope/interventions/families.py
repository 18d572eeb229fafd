"""Ready-made families of interventions: every head, every position, every neuron."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.selection import Selection
from algoscope.interventions.sources import Source
from algoscope.model.component import Component, heads_and_mlps
from algoscope.model.config import Config
from algoscope.model.head import every_head


def on(component: Component, source: Source, position: Selection = None) -> Intervention:
    """What a component writes (a head's `hook_z`, an MLP's `hook_mlp_out`), at all positions or at some.

    >>> from algoscope.interventions.sources import Zero
    >>> on(Component.parse("2.0"), Zero(), position=3).label["head"]
    0
    """
    head = None if component.head is None else component.head.index
    return Intervention(component.site, source, head=head, position=position)


def components(config: Config, source: Source) -> list[Intervention]:
    """Every head and every MLP, at all positions, in the order of the computation."""
    return [on(component, source) for component in heads_and_mlps(config)]


def heads(config: Config, source: Source) -> list[Intervention]:
    """`hook_z` of every head, at all positions."""
    return [on(Component.of(head), source) for head in every_head(config)]


def heads_by_position(config: Config, source: Source, positions: Iterable[int]) -> list[Intervention]:
    """`hook_z` of every head at each of the positions."""
    return [
        on(Component.of(head), source, position) for head, position in product(every_head(config), positions)
    ]


def queries_keys_values(config: Config, source: Source) -> list[Intervention]:
    """`hook_q`, `hook_k` and `hook_v` of every head, at all positions."""
    return [
        Intervention(f"blocks.{layer}.attn.hook_{letter}", source, head=head)
        for letter, layer, head in product("qkv", range(config.n_layers), range(config.n_heads))
    ]


def mlps(config: Config, source: Source) -> list[Intervention]:
    """`hook_mlp_out` of every layer, at all positions. Raises UserError for an attention-only model."""
    _need_mlp(config)
    return [on(Component.mlp(layer), source) for layer in range(config.n_layers)]


def neurons(config: Config, source: Source) -> list[Intervention]:
    """`mlp.hook_post` of every neuron, at all positions. Raises UserError for an attention-only model."""
    return [
        Intervention(f"blocks.{layer}.mlp.hook_post", source, neuron=neuron)
        for layer, neuron in product(range(config.n_layers), range(_need_mlp(config)))
    ]


def sites_by_position(
    config: Config, source: Source, positions: Iterable[int], kinds: Iterable[str] = ()
) -> list[Intervention]:
    """Each kind of site in every layer at each of the positions: the grids of causal tracing.

    By default the residual stream before the layer, and what attention and MLP add to it, as in the
    exercises of the ARENA course on activation patching.
    """
    usual = ("hook_resid_pre", "hook_attn_out", *(("hook_mlp_out",) if config.d_mlp else ()))
    every = product(tuple(kinds) or usual, range(config.n_layers), tuple(positions))
    return [
        Intervention(f"blocks.{layer}.{kind}", source, position=position) for kind, layer, position in every
    ]


def _need_mlp(config: Config) -> int:
    if config.d_mlp is None:
        raise UserError("this model is attention-only: it has no MLP to intervene on")
    return config.d_mlp
