"""Interventions worked out for some rows of a batch: which entries of which site become what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention, Place, axis_sizes
from algoscope.interventions.runs import Runs
from algoscope.model.sites import TOKENS, Site


@dataclass(frozen=True, eq=False)
class Edit:
    """New values for the selected entries of one site, for some rows of a batch."""

    place: Place
    value: Tensor
    """What the entries become (or what is added): `[batch *selected]`, where 1 fits any length."""
    adds: bool

    @property
    def site(self) -> Site:
        return self.place.site

    def apply(self, value: Tensor) -> None:
        """Changes the site's value `[batch *axes]` in place."""
        index = self.index(value.shape)
        if self.adds:
            value[index] += self.value
        else:
            value[index] = self.value

    def index(self, shape: Sequence[int]) -> tuple[slice | Tensor, ...]:
        """What picks the selected entries from the site's value of this shape."""
        return _index(self.place.where, shape)

    def held_at(self, positions: Sequence[int]) -> Edit | None:
        """The same edit of a value that holds these positions alone; None if it touches none of them."""
        axis = self.site.position_axis
        chosen = self.place.where[axis - 1]
        order = list(positions) if chosen is None else [p for p in positions if p in chosen]
        if not order:
            return None
        where = list(self.place.where)
        where[axis - 1] = tuple(positions.index(p) for p in order)
        value = self.value
        if value.ndim > axis and value.shape[axis] > 1:
            rows = order if chosen is None else [chosen.index(p) for p in order]
            value = value.index_select(axis, torch.tensor(rows, device=value.device))
        return replace(self, place=Place(self.site, tuple(where)), value=value)


def edit(intervention: Intervention, here: Place, rows: slice, runs: Runs) -> Edit:
    """The intervention's edit for these rows. Raises UserError for a source of a wrong shape."""
    source = intervention.source
    value = runs.values(source, here.site, rows)
    value = _tokens(value, source.label) if here.site.name == TOKENS else value.to(runs.model.W_E)
    if value.ndim:
        value = _selected(value, here, rows, runs)
    return Edit(here, value, source.adds)


def _tokens(value: Tensor, source: str) -> Tensor:
    whole = value.long()
    if (value != whole).any():
        bad = value[value != whole].flatten()[0].item()
        raise UserError(f"{source} gives {bad:.3g} at {TOKENS!r}, which is no token: give whole numbers")
    return whole


def _selected(value: Tensor, here: Place, rows: slice, runs: Runs) -> Tensor:
    """The value as `[batch *selected]`, from a value of the whole site or of the selection."""
    batch, seq = runs.batch.tokens[rows].shape
    sizes = axis_sizes(runs.model, seq)
    axes = here.site.axes[1:]
    if value.ndim <= len(axes):
        value = value[(None,) * (len(axes) + 1 - value.ndim)]
    given = value.shape
    fits = value.ndim == len(axes) + 1 and len(value) in (1, batch)
    for axis, (name, chosen) in enumerate(zip(axes, here.where, strict=True), start=1):
        if not fits or given[axis] == 1 or (chosen is not None and given[axis] == len(chosen) < sizes[name]):
            continue
        fits = given[axis] == sizes[name]
        if fits and chosen is not None:
            value = _along(value, axis, chosen)
    if not fits:
        want = [batch, *(sizes[n] if c is None else len(c) for n, c in zip(axes, here.where, strict=True))]
        raise UserError(
            f"a value {list(given)} does not fit {here.site.name!r}: give {want} "
            f"({' '.join(here.site.axes)}); 1 fits any length"
        )
    return value


def _along(value: Tensor, axis: int, chosen: tuple[int, ...]) -> Tensor:
    """These indices of one axis: a view if they are consecutive."""
    if _consecutive(chosen):
        return value.narrow(axis, chosen[0], len(chosen))
    return value.index_select(axis, torch.tensor(chosen, device=value.device))


def _index(where: Sequence[tuple[int, ...] | None], shape: Sequence[int]) -> tuple[slice | Tensor, ...]:
    """An index for a selection along each axis after the batch; slices wherever they can say it."""
    if all(chosen is None or _consecutive(chosen) for chosen in where):
        inner = (slice(None) if c is None else slice(c[0], c[-1] + 1) for c in where)
        return (slice(None), *inner)
    ranges = [range(shape[0]), *(range(n) if c is None else c for c, n in zip(where, shape[1:], strict=True))]
    return tuple(
        torch.tensor(list(r)).view([-1 if axis == other else 1 for other in range(len(ranges))])
        for axis, r in enumerate(ranges)
    )


def _consecutive(chosen: tuple[int, ...]) -> bool:
    return chosen == tuple(range(chosen[0], chosen[0] + len(chosen)))
