"""Runs without interventions that sources take their values from, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jaxtyping import Shaped
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.needs import Inputs, Need
from algoscope.interventions.sources import Source
from algoscope.model.sites import Cache, Site
from algoscope.model.transformer import Transformer

SUM_BATCH = 512
"""Rows per forward pass while a sum is taken: bounds memory, whatever the number of inputs."""

Key = tuple[object, ...]
"""Of a source: `Source.key`."""


class Runs:
    """What a model does on a batch, and on the inputs that the sources of some interventions need."""

    def __init__(self, model: Transformer, batch: Inputs, wanted: Iterable[tuple[Source, Site]]) -> None:
        """Raises UserError if a source can't have what it needs."""
        self.model = model
        self.batch = batch
        self._needs: dict[Key, Need] = {}
        self._sites: dict[Key, list[str]] = {}
        for source, site in (part for each, at in wanted for part in each.parts(at, model.sites)):
            if source.key not in self._sites:
                need = source.need(batch, model.config)
                if need is not None:
                    self._needs[source.key] = self._checked(need)
            names = self._sites.setdefault(source.key, [])
            if site.name not in names:
                names.append(site.name)
        self._parts: dict[Key, tuple[slice, Cache]] = {}
        self._batch = Cache()
        self._made: dict[Key, tuple[slice, Tensor]] = {}
        self._partners: dict[tuple[Key, str], Tensor] = {}
        self._sums = {key: self._summed(key, need) for key, need in self._needs.items() if need.summand}

    def values(self, source: Source, site: Site, rows: slice) -> Tensor:
        """The source's values of a site for these rows of the batch, as `Source.values` gives them."""
        return source.given(site, rows, self)

    def once(self, key: Key, rows: slice, make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes for these rows, which is not made again while they are asked for."""
        kept = self._made.get(key)
        if kept is None or kept[0] != rows:
            kept = self._made[key] = rows, make()
        return kept[1]

    def know_batch(self, cache: Cache) -> None:
        """Values of a run of the whole batch that somebody needed anyway."""
        self._batch = cache

    def sites_of_partners(self) -> set[str]:
        """The sites that sources take from other inputs of the batch."""
        return {
            name
            for key, need in self._needs.items()
            if need.partners is not None
            for name in self._sites[key]
        }

    def read(self, source: Source, site: Site, rows: slice) -> Tensor | None:
        """What the source needs, for these rows; None if it needs nothing."""
        key, name = source.key, site.name
        need = self._needs.get(key)
        if need is None:
            return None
        if need.summand is not None:
            return self._sums[key][name]
        if need.partners is not None and name in self._batch and (key, name) not in self._partners:
            self._partners[key, name] = self._batch[name][need.partners]
        known = self._partners.get((key, name))
        return known if known is not None else self._part(key, need, rows)[name]

    def _part(self, key: Key, need: Need, rows: slice) -> Cache:
        """The values on the needed inputs for these rows, from one run for all their sites."""
        rows = slice(0, 1) if len(need.inputs) == 1 else rows
        kept = self._parts.get(key)
        if kept is None or kept[0] != rows:
            kept = self._parts[key] = rows, self._run(need.inputs[rows], self._sites[key])
        return kept[1]

    def _summed(self, key: Key, need: Need) -> dict[str, Shaped[Tensor, "sum *axes"]]:
        assert need.summand is not None
        sums: dict[str, Tensor] = {}
        for start in range(0, len(need.inputs), SUM_BATCH):
            rows = slice(start, start + SUM_BATCH)
            for name, value in self._run(need.inputs[rows], self._sites[key]).items():
                part = need.summand(value.double(), rows, self.model.sites[name])
                sums[name] = sums[name] + part if name in sums else part
        return {name: total.to(self.model.W_E.dtype) for name, total in sums.items()}

    def _run(self, inputs: Inputs, sites: list[str]) -> Cache:
        return self.model.run_with_cache(inputs.tokens, sites, position_ids=inputs.position_ids)[1]

    def _checked(self, need: Need) -> Need:
        """The need on the model's device, if its inputs are in step with the batch or are summed."""
        have, want = need.inputs.tokens.shape, self.batch.tokens.shape
        if need.summand is None and have[0] not in (1, want[0]):
            raise UserError(
                f"patch from {have[0]} examples into {want[0]}: "
                "give as many sources as targets, or one source to use for all"
            )
        if need.summand is None and have[1] != want[1]:
            raise UserError(
                f"patch from inputs of {have[1]} tokens into inputs of {want[1]}: pad them to the same length"
            )
        return Need(need.inputs.to(self.model.W_E.device), need.summand, need.partners)
