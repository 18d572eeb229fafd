"""Where an intervention's new values come from.

Every source is asked the same: what it needs of runs without interventions (`need`), and the values of a site
for some rows of the batch (`values`). `Runs` computes what is needed, each once, for any source: a new one is
a class of its own, in any file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.needs import Inputs, Need, Summand
from algoscope.model.config import Config
from algoscope.model.sites import Cache, Site
from algoscope.model.transformer import PositionIds

Per = Literal["all", "position", "class"]


@dataclass(frozen=True, eq=False)
class Source(ABC):
    """Gives an intervention its values."""

    adds: ClassVar[bool] = False
    """Whether the values are added to what is there, rather than put in its place."""

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Equal for sources that give the same values: they share one run."""
        values = vars(self).items()
        return (
            type(self),
            *((name, v if isinstance(v, int | float | str | tuple | None) else id(v)) for name, v in values),
        )

    @property
    @abstractmethod
    def label(self) -> str:
        """What a table calls it."""

    def need(self, batch: Inputs, config: Config) -> Need | None:
        """What it needs of runs without interventions, if anything."""
        return None

    def values(self, site: Site, rows: slice, batch: Inputs, read: Tensor | None) -> Tensor:
        """The site's new values for these rows of the batch, before any selection.

        `[batch *axes]`; a length of 1 stands for every index, and a scalar for every value. `read` is what
        was needed, for these rows, and by default it is the answer.
        """
        assert read is not None, f"{type(self).__name__} needs nothing: it must define its values"
        return read


@dataclass(frozen=True, eq=False)
class Zero(Source):
    """Zeros: zero ablation."""

    @property
    def label(self) -> str:
        return "zero"

    def values(self, site: Site, rows: slice, batch: Inputs, read: Tensor | None) -> Tensor:
        return torch.zeros((), device=batch.tokens.device)


@dataclass(frozen=True, eq=False)
class Mean(Source):
    """The mean over examples: mean ablation.

    `per="position"` keeps positions apart, `"all"` averages over them too (padding left out), and
    `"class"` takes the mean over examples of the input's own class, position by position.
    `over` is the reference set that is averaged, with its `labels` if means are per class, and its
    `position_ids` if its inputs don't start at 0. Without it the mean is over the batch itself, whose
    classes are `labels`, or else those of its answers.
    """

    per: Per = "position"
    over: Int[Tensor, "reference seq"] | None = None
    labels: Int[Tensor, "reference"] | None = None
    """The class of each input that is averaged."""
    position_ids: PositionIds = None

    def __post_init__(self) -> None:
        if self.per not in ("all", "position", "class"):
            raise UserError(f"per is {self.per!r}: choose from all, position, class")
        if self.per == "class" and self.over is not None and self.labels is None:
            raise UserError("a mean per class over a reference set needs its classes: give labels=")
        if self.per != "class" and self.labels is not None:
            raise UserError(
                f"labels are for means per class, not per {self.per}: give per='class', or no labels"
            )
        if self.over is None and self.position_ids is not None:
            raise UserError("position_ids belong to a reference set: give it as over=, or leave them out")

    @property
    def label(self) -> str:
        return {"position": "mean", "all": "mean over positions", "class": "mean per class"}[self.per]

    def need(self, batch: Inputs, config: Config) -> Need:
        inputs = batch if self.over is None else Inputs(self.over, self.position_ids, self.labels)
        if not len(inputs):
            raise UserError("a mean over no examples: give at least one")
        inputs = inputs.to(batch.tokens.device)
        if self.per == "class":
            own = self._classes(batch)
            averaged = own if self.over is None else _checked(inputs.classes, inputs)
            return Need(inputs, _shares_by_class(averaged, own))
        if self.per == "all":
            return Need(inputs, _shares_of_places(inputs.tokens, config.pad_token))
        return Need(inputs, lambda value, rows, site: value.sum(0, keepdim=True) / len(inputs))

    def values(self, site: Site, rows: slice, batch: Inputs, read: Tensor | None) -> Tensor:
        assert read is not None
        return read[self._classes(batch)[rows]] if self.per == "class" else read

    def _classes(self, batch: Inputs) -> Int[Tensor, "batch"]:
        """Of the batch's own inputs."""
        return _checked(
            self.labels if self.over is None and self.labels is not None else batch.classes, batch
        )


def _checked(classes: Tensor | None, inputs: Inputs) -> Int[Tensor, "n"]:
    """The classes, as long integers, if there is one for each input."""
    if classes is None:
        raise UserError("a mean per class needs the class of each input: give labels [batch]")
    given = f"labels {classes.dtype} {list(classes.shape)} for {len(inputs)} examples"
    if classes.shape != (len(inputs),) or classes.is_floating_point() or classes.dtype == torch.bool:
        raise UserError(f"{given}: a mean per class needs an integer each")
    if (classes < 0).any():
        raise UserError(f"{given} reach down to {int(classes.min())}: classes are counted from 0")
    return classes.to(inputs.tokens.device).long()


def _shares_by_class(labels: Int[Tensor, "n"], wanted: Int[Tensor, "batch"]) -> Summand:
    """What each input adds to the mean of its own class; there is a mean for each class that is wanted."""
    count = torch.bincount(labels, minlength=int(wanted.max()) + 1)
    if (count[wanted] == 0).any():
        raise UserError(
            "the reference set of a mean per class lacks a class of the batch: add examples of it"
        )

    def shares(value: Shaped[Tensor, "part *axes"], rows: slice, site: Site) -> Shaped[Tensor, "class *axes"]:
        sums = value.new_zeros((len(count), *value.shape[1:])).index_add(0, labels[rows], value)
        return sums / count.clamp(min=1).view(-1, *[1] * (value.ndim - 1))

    return shares


def _shares_of_places(tokens: Int[Tensor, "n seq"], pad: int | None) -> Summand:
    """What each place that is not padding adds to the mean over them all."""
    real = torch.ones_like(tokens, dtype=torch.bool) if pad is None else tokens.long() != pad
    count = real.sum()

    def shares(value: Shaped[Tensor, "part *axes"], rows: slice, site: Site) -> Shaped[Tensor, "1 *axes"]:
        shape = [1] * value.ndim
        shape[0], shape[site.position_axis] = real[rows].shape
        return (value * real[rows].view(shape)).sum((0, site.position_axis), keepdim=True) / count

    return shares


@dataclass(frozen=True, eq=False)
class Resample(Source):
    """Another example's value: resample ablation.

    `pairing[i]` is the example of the batch whose value input i gets; without it, a permutation of the
    batch drawn from `seed`.
    """

    pairing: tuple[int, ...] | None = None
    seed: int = 0

    @property
    def label(self) -> str:
        return f"resample (seed {self.seed})" if self.pairing is None else "resample (paired)"

    def partners(self, batch: int) -> Int[Tensor, "batch"]:
        """Which example of a batch of this size each input gets its value from."""
        if self.pairing is None:
            return torch.randperm(batch, generator=torch.Generator().manual_seed(self.seed))
        if len(self.pairing) != batch or not all(0 <= partner < batch for partner in self.pairing):
            raise UserError(
                f"a pairing of {len(self.pairing)} for {batch} examples: "
                f"give each the index, 0 to {batch - 1}, of the example that its value comes from"
            )
        return torch.tensor(self.pairing)

    def need(self, batch: Inputs, config: Config) -> Need:
        partners = self.partners(len(batch)).to(batch.tokens.device)
        return Need(batch[partners], partners=partners)


@dataclass(frozen=True, eq=False)
class FromRun(Source):
    """The value on other inputs: activation patching (clean into corrupted, or back).

    As many inputs as the batch has, paired in order, or one whose values go to every input; at positions
    0, 1, 2 ... unless `position_ids` say others.
    """

    tokens: Int[Tensor, "source seq"]
    position_ids: PositionIds = None

    @property
    def label(self) -> str:
        return "another run"

    def need(self, batch: Inputs, config: Config) -> Need:
        return Need(Inputs(self.tokens, self.position_ids))


@dataclass(frozen=True, eq=False)
class FromCache(Source):
    """The value in a cache that you have, of `run_with_cache` or of a run with interventions."""

    cache: Mapping[str, Tensor] = field(default_factory=Cache)

    @property
    def label(self) -> str:
        return "a cache"

    def values(self, site: Site, rows: slice, batch: Inputs, read: Tensor | None) -> Tensor:
        if site.name not in self.cache:
            raise UserError(
                f"the cache to patch from lacks {site.name!r}: name it in `sites` when you make the cache"
            )
        return _rows_of(self.cache[site.name], site, rows, len(batch))


@dataclass(frozen=True, eq=False)
class Value(Source):
    """A tensor of yours: `[batch *axes]` of the site or of the selection, where 1 fits any length."""

    value: Tensor

    @property
    def label(self) -> str:
        return "a tensor"

    def values(self, site: Site, rows: slice, batch: Inputs, read: Tensor | None) -> Tensor:
        return _rows_of(self.value, site, rows, len(batch))


@dataclass(frozen=True, eq=False)
class Add(Value):
    """A tensor of yours, added to what is there: steering along a direction."""

    adds: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return "added tensor"


def _rows_of(value: Tensor, site: Site, rows: slice, batch: int) -> Tensor:
    if value.ndim < len(site.axes):
        return value
    if len(value) not in (1, batch):
        raise UserError(
            f"a value for {len(value)} examples at {site.name!r}, but the batch has {batch}: "
            "give one each, or one for all"
        )
    return value if len(value) == 1 else value[rows]
