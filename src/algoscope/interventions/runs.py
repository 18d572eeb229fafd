"""Runs without interventions that sources take their values from, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.sources import Mean, Resample, Source
from algoscope.model.sites import Cache, Site
from algoscope.model.transformer import Transformer

MEAN_BATCH = 512
"""Rows per forward pass while a mean is taken: bounds memory, whatever the size of the reference set."""


class Runs:
    """What a model does on a batch, and on what the sources of some interventions refer to."""

    def __init__(
        self,
        model: Transformer,
        tokens: Int[Tensor, "batch seq"],
        labels: Int[Tensor, "batch"] | None,
        wanted: Iterable[tuple[Source, Site]],
    ) -> None:
        self.model = model
        self.tokens = tokens
        self.labels = labels
        self._sites: dict[tuple[object, ...], list[str]] = {}
        means: dict[tuple[object, ...], Mean] = {}
        for source, site in wanted:
            names = self._sites.setdefault(source.key, [])
            if site.name not in names:
                names.append(site.name)
            if isinstance(source, Mean):
                means[source.key] = source
        self._clean: dict[tuple[object, ...], tuple[slice, Cache]] = {}
        self._batch = Cache()
        self._partners: dict[tuple[tuple[object, ...], str], Tensor] = {}
        self._means = {key: self._take_means(source) for key, source in means.items()}

    def clean(self, source: Source, rows: slice, tokens: Callable[[], Tensor], site: Site) -> Tensor:
        """The site's value on the source's `tokens` for these rows, from one run for all its sites."""
        kept = self._clean.get(source.key)
        if kept is None or kept[0] != rows:
            kept = (rows, self.model.run_with_cache(tokens(), sites=self._sites[source.key])[1])
            self._clean[source.key] = kept
        return kept[1][site.name]

    def resampled(self, source: Resample, rows: slice, site: Site) -> Tensor:
        """The site's value on each row's partner; from the run of the whole batch if it is known."""
        key = source.key, site.name
        if site.name in self._batch and key not in self._partners:
            self._partners[key] = self._batch[site.name][self._partner_rows(source)]
        if key in self._partners:
            return self._partners[key]
        return self.clean(source, rows, lambda: self.tokens[self._partner_rows(source)[rows]], site)

    def know_batch(self, cache: Cache) -> None:
        """Values of a run of the whole batch that somebody needed anyway."""
        self._batch = cache

    def sites_to_resample(self) -> set[str]:
        """The sites that sources take from other rows of the batch."""
        return {name for key, names in self._sites.items() if key[0] is Resample for name in names}

    def _partner_rows(self, source: Resample) -> Int[Tensor, "batch"]:
        return source.partners(len(self.tokens)).to(self.tokens.device)

    def mean(self, source: Mean, site: Site) -> Float[Tensor, "mean *axes"]:
        """The mean of the site's value; one for each class if the source's means are per class."""
        return self._means[source.key][site.name]

    def classes(self) -> Int[Tensor, "batch"]:
        """The class of each input of the batch. Raises UserError if nobody said."""
        if self.labels is None or self.labels.shape != self.tokens.shape[:1]:
            raise UserError("a mean per class needs the class of each input: give labels [batch]")
        return self.labels

    def _take_means(self, source: Mean) -> dict[str, Tensor]:
        tokens = self.tokens if source.over is None else source.over
        if not len(tokens):
            raise UserError("a mean over no examples: give at least one")
        labels, count = self._groups(source, tokens)
        sums: dict[str, Tensor] = {}
        for start in range(0, len(tokens), MEAN_BATCH):
            rows = slice(start, start + MEAN_BATCH)
            cache = self.model.run_with_cache(tokens[rows], sites=self._sites[source.key])[1]
            for name, value in cache.items():
                if source.per == "all":
                    value = self._summed_over_positions(value, tokens[rows], self.model.sites[name])
                total = value.new_zeros((len(count), *value.shape[1:]), dtype=torch.float64)
                sums[name] = sums.get(name, 0) + total.index_add(0, labels[rows], value.double())
        dtype = self.model.W_E.dtype
        return {name: (s / count.view(-1, *[1] * (s.ndim - 1))).to(dtype) for name, s in sums.items()}

    def _groups(
        self, source: Mean, tokens: Int[Tensor, "n seq"]
    ) -> tuple[Int[Tensor, "n"], Float[Tensor, "mean"]]:
        """Which mean each row counts for, and how many values each mean is taken over."""
        if source.per == "class":
            wanted = self.classes()
            labels = wanted if source.over is None else source.labels
            if labels is None or labels.shape != tokens.shape[:1]:
                raise UserError(
                    f"a mean per class over {len(tokens)} examples needs their classes: give one each"
                )
            count = torch.bincount(labels, minlength=int(wanted.max()) + 1).double()
            if (count[wanted] == 0).any():
                raise UserError(
                    "the reference set of a mean per class lacks a class of the batch: add examples of it"
                )
            return labels, count.clamp(min=1)
        values = self._real(tokens).sum() if source.per == "all" else tokens.new_tensor(len(tokens))
        return tokens.new_zeros(len(tokens)), values.double().view(1)

    def _summed_over_positions(self, value: Tensor, tokens: Int[Tensor, "n seq"], site: Site) -> Tensor:
        shape = [1] * value.ndim
        shape[0], shape[site.position_axis] = tokens.shape
        return (value * self._real(tokens).view(shape)).sum(site.position_axis, keepdim=True)

    def _real(self, tokens: Int[Tensor, "n seq"]) -> Tensor:
        """Where a token is not padding."""
        pad = self.model.config.pad_token
        return torch.ones_like(tokens, dtype=torch.bool) if pad is None else tokens != pad
