"""An intervention, as data: which values of a run to replace, and where the new ones come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from algoscope.errors import UserError
from algoscope.interventions.sources import Source
from algoscope.model.component import POSITION, TOKEN, Component
from algoscope.model.head import Head
from algoscope.model.sites import Site, find
from algoscope.model.transformer import Transformer

Selection = int | tuple[int, ...] | None
"""One index, several, or None for all."""

SELECTORS = {"seq": "position", "query": "position", "key": "key", "head": "head", "neuron": "neuron"}
"""Which field of an Intervention selects along which axis of a site."""


@dataclass(frozen=True, eq=False)
class Intervention:
    """Replace the selected values of one site by those of a source, as in

    `Intervention("blocks.2.attn.hook_z", Mean(per="position"), head=0)`.

    Each selection is an index, a tuple of them, or None for all. `position` is a place in the sequence;
    for scores and patterns it is the query's, and `key` the key's.
    """

    site: str
    source: Source
    head: Selection = None
    position: Selection = None
    key: Selection = None
    neuron: Selection = None

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
        """What it changes, as columns: component, site, layer, and each selection (None for all)."""
        return {
            "component": self.component,
            "site": self.site,
            "layer": layer_of(self.site),
            "head": self.head,
            "position": self.position,
            "key": self.key,
            "neuron": self.neuron,
            "source": self.source.label,
        }


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
    chosen = (
        _indices(getattr(intervention, SELECTORS[axis]), sizes[axis], SELECTORS[axis], site)
        if axis in SELECTORS
        else None
        for axis in axes
    )
    return Place(site, tuple(chosen))


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


def _indices(selection: Selection, size: int, name: str, site: Site) -> tuple[int, ...] | None:
    if selection is None:
        return None
    chosen = (selection,) if isinstance(selection, int) else tuple(selection)
    if not chosen:
        raise UserError(f"no {name} is selected at {site.name!r}: give at least one, or None for all")
    if len(set(chosen)) != len(chosen):
        raise UserError(f"{name} {list(chosen)} at {site.name!r} names one twice: give each once")
    for index in chosen:
        if not 0 <= index < size:
            raise UserError(f"{name} {index} does not exist at {site.name!r}: there are 0 to {size - 1}")
    return tuple(sorted(chosen))


def refuse_overwriting(variant: Sequence[tuple[Intervention, Place]]) -> None:
    """Raises UserError if two interventions of one run would replace the same values."""
    replacing = [(one, where) for one, where in variant if not one.source.adds]
    for (one, here), (other, there) in combinations(replacing, 2):
        if here.overlaps(there):
            raise UserError(
                f"two interventions overwrite the same values of {here.site.name!r} "
                f"({describe(one)} and {describe(other)}): give each value to one of them"
            )


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
