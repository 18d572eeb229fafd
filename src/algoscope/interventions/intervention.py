"""An intervention, as data: which values of a run to replace, and where the new ones come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from algoscope.errors import UserError
from algoscope.interventions.selection import Chosen, Selection, chosen
from algoscope.interventions.sources import Source
from algoscope.model.component import POSITION, TOKEN, Component
from algoscope.model.head import Head
from algoscope.model.sites import Site, find
from algoscope.model.transformer import Transformer

SELECTORS = {"seq": "position", "query": "position", "key": "key", "head": "head", "neuron": "neuron"}
"""Which field of an Intervention selects along which axis of a site."""

COLUMNS = ("component", "site", "layer", "head", "position", "key", "neuron", "source")
"""What tells one intervention from another, in tables."""


@dataclass(frozen=True, eq=False)
class Intervention:
    """Replace the selected values of one site by those of a source, as in

    `Intervention("blocks.2.attn.hook_z", Mean(per="position"), head=0)`.

    Each selection is an index, several (any sequence, array or tensor of integers), a mask (of bools, one for
    each index), or None for all; it is kept as an int, a tuple of ints, or None. `position` is a place in the
    sequence; for scores and patterns it is the query's, and `key` the key's.
    """

    site: str
    source: Source
    head: Selection = None
    position: Selection = None
    key: Selection = None
    neuron: Selection = None
    chosen: Mapping[str, Chosen] = field(init=False, repr=False)
    """Each selection by name."""

    def __post_init__(self) -> None:
        found = {name: chosen(getattr(self, name), name) for name in dict.fromkeys(SELECTORS.values())}
        object.__setattr__(self, "chosen", found)
        for name, each in found.items():
            object.__setattr__(self, name, each.plain)

    @property
    def component(self) -> Component | None:
        """The head, MLP or embedding whose output this is, at any positions; None for other sites."""
        ours = [TOKEN, POSITION]
        if (layer := layer_of(self.site)) is not None:
            ours.append(Component.mlp(layer))
            if isinstance(self.head, int):
                ours.append(Component.of(Head(layer, self.head)))
        return next((component for component in ours if component.site == self.site), None)

    @property
    def label(self) -> dict[str, object]:
        """What it changes, as COLUMNS: component, site, layer, and each selection (None for all)."""
        selected = (self.head, self.position, self.key, self.neuron)
        values = (self.component, self.site, layer_of(self.site), *selected, self.source.label)
        return dict(zip(COLUMNS, values, strict=True))


def layer_of(site: str) -> int | None:
    """The layer of a site by its name, which may not exist; None outside the blocks."""
    match = re.match(r"blocks\.(\d+)\.", site)
    return int(match[1]) if match else None


Variant = Intervention | Sequence[Intervention]
"""What one run changes: an intervention, or several that act together."""


def together(variant: Variant) -> tuple[Intervention, ...]:
    """The interventions of a variant, as a tuple."""
    return (variant,) if isinstance(variant, Intervention) else tuple(variant)


@dataclass(frozen=True, eq=False)
class Place:
    """Where an intervention acts: a site, and indices along each axis after the batch (None for all)."""

    site: Site
    where: tuple[tuple[int, ...] | None, ...]

    @property
    def position(self) -> tuple[int, ...] | None:
        """The selected places in the sequence (the query's, for scores and patterns); None for all."""
        return self.where[self.site.position_axis - 1]

    def overlaps(self, other: Place) -> bool:
        if self.site != other.site:
            return False
        pairs = zip(self.where, other.where, strict=True)
        return all(a is None or b is None or set(a) & set(b) for a, b in pairs)


def place(model: Transformer, intervention: Intervention, seq: int) -> Place:
    """Where the intervention acts on inputs of `seq` tokens.

    Raises UserError for a site, head, position or neuron that does not exist, or a selection along an
    axis that the site does not have.
    """
    site = find(model.sites, intervention.site)
    sizes = axis_sizes(model, seq)
    axes = site.axes[1:]
    for name in ("head", "position", "key", "neuron"):
        if getattr(intervention, name) is not None and name not in {SELECTORS.get(axis) for axis in axes}:
            raise UserError(
                f"{site.name!r} has no {name} to select (axes: {' '.join(site.axes)}): leave out {name}="
            )
    where = (
        intervention.chosen[SELECTORS[axis]].along(sizes[axis], SELECTORS[axis], site.name)
        if axis in SELECTORS
        else None
        for axis in axes
    )
    return Place(site, tuple(where))


def axis_sizes(model: Transformer, seq: int) -> Mapping[str, int]:
    """How long each axis of a site is, for inputs of `seq` tokens."""
    config = model.config
    return {
        "seq": seq,
        "query": seq,
        "key": seq,
        "head": config.n_heads,
        "neuron": config.d_mlp or 0,
        "d_model": config.d_model,
        "d_head": config.d_head,
        "one": 1,
        "class": config.d_vocab_out,
    }


def refuse_overwriting(variant: Sequence[tuple[Intervention, Place]]) -> None:
    """Raises UserError if an edit would be lost: a later one of the same run replaces what it set or added.

    At one site edits act in the order given. A layer's `hook_resid_post` is the next one's `hook_resid_pre`:
    there, they act in this order.
    """
    in_order = sorted(variant, key=lambda pair: not _ends_layer(pair[1].site))
    for (one, here), (other, there) in combinations(in_order, 2):
        if not other.source.adds and _carried(here).overlaps(_carried(there)):
            raise UserError(
                f"two interventions overwrite the same values: {here.site.name!r} ({describe(one)}), then "
                f"{there.site.name!r} ({describe(other)}); give each value to one of them, and add last"
            )


def _ends_layer(site: Site) -> bool:
    return site.kind == "hook_resid_post"


def _carried(here: Place) -> Place:
    """The same place under the name that its value goes on with."""
    site = here.site
    if not _ends_layer(site) or site.layer is None:
        return here
    layer = site.layer + 1
    return replace(here, site=replace(site, name=f"blocks.{layer}.hook_resid_pre", layer=layer))


def describe(intervention: Intervention) -> str:
    """The selection and source in words: `head 0, position 3 <- mean`."""
    chosen = [
        f"{name} {getattr(intervention, name)}"
        for name in ("head", "position", "key", "neuron")
        if getattr(intervention, name) is not None
    ]
    return f"{', '.join(chosen) or 'all'} <- {intervention.source.label}"


def each(variants: Iterable[Variant]) -> Iterator[tuple[Intervention, ...]]:
    """The variants as tuples. Raises UserError for what is no intervention."""
    for variant in variants:
        interventions = together(variant)
        for one in interventions:
            if not isinstance(one, Intervention):
                raise UserError(f"{one!r} is no Intervention: give interventions, or tuples of them")
        yield interventions
