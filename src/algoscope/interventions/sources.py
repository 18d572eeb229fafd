"""Where an intervention's new values come from.

Every source is asked the same: the values of a site for some rows of the batch. What a source needs from
other runs (means, another example's values) it asks of `Runs`, which computes each of them once. All of
them are taken from runs without interventions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.sites import Cache, Site

if TYPE_CHECKING:
    from algoscope.interventions.runs import Runs

Per = Literal["all", "position", "class"]


@dataclass(frozen=True, eq=False)
class Source(ABC):
    """Gives an intervention its values."""

    adds: ClassVar[bool] = False
    """Whether the values are added to what is there, rather than put in its place."""

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Equal for sources that give the same values: they share one run."""
        values = (getattr(self, each.name) for each in fields(self))
        return (type(self), *(id(v) if isinstance(v, Tensor | Mapping) else v for v in values))

    @property
    @abstractmethod
    def label(self) -> str:
        """What a table calls it."""

    @abstractmethod
    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        """The site's new values for these rows of the batch, before any selection.

        `[batch *axes]`; a length of 1 stands for every index, and a scalar for every value.
        """


@dataclass(frozen=True, eq=False)
class Zero(Source):
    """Zeros: zero ablation."""

    @property
    def label(self) -> str:
        return "zero"

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        return torch.zeros((), device=runs.tokens.device)


@dataclass(frozen=True, eq=False)
class Mean(Source):
    """The mean over examples: mean ablation.

    `per="position"` keeps positions apart, `"all"` averages over them too (padding left out), and
    `"class"` takes the mean over examples of the input's own class, position by position.
    `over` is the reference set that is averaged, with its `labels` if means are per class; without it
    the mean is over the batch itself.
    """

    per: Per = "position"
    over: Int[Tensor, "reference seq"] | None = None
    labels: Int[Tensor, "reference"] | None = None

    def __post_init__(self) -> None:
        if self.per not in ("all", "position", "class"):
            raise UserError(f"per is {self.per!r}: choose from all, position, class")
        if self.per == "class" and self.over is not None and self.labels is None:
            raise UserError("a mean per class over a reference set needs its classes: give labels=")

    @property
    def label(self) -> str:
        return {"position": "mean", "all": "mean over positions", "class": "mean per class"}[self.per]

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        mean = runs.mean(self, site)
        return mean[runs.classes()[rows]] if self.per == "class" else mean


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

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        return runs.resampled(self, rows, site)


@dataclass(frozen=True, eq=False)
class FromRun(Source):
    """The value on other inputs: activation patching (clean into corrupted, or back).

    As many inputs as the batch has, paired in order, or one whose values go to every input.
    """

    tokens: Int[Tensor, "source seq"]

    @property
    def label(self) -> str:
        return "another run"

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        have, need = len(self.tokens), len(runs.tokens)
        if have not in (1, need):
            raise UserError(
                f"patch from {have} examples into {need}: "
                "give as many sources as targets, or one source to use for all"
            )
        if self.tokens.shape[1] != runs.tokens.shape[1]:
            raise UserError(
                f"patch from inputs of {self.tokens.shape[1]} tokens into inputs of {runs.tokens.shape[1]}: "
                "pad them to the same length"
            )
        return runs.clean(self, rows, lambda: self.tokens if have == 1 else self.tokens[rows], site)


@dataclass(frozen=True, eq=False)
class FromCache(Source):
    """The value in a cache that you have, of `run_with_cache` or of a run with interventions."""

    cache: Mapping[str, Tensor] = field(default_factory=Cache)

    @property
    def label(self) -> str:
        return "a cache"

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        if site.name not in self.cache:
            raise UserError(
                f"the cache to patch from lacks {site.name!r}: name it in `sites` when you make the cache"
            )
        return _rows_of(self.cache[site.name], site, rows, len(runs.tokens))


@dataclass(frozen=True, eq=False)
class Value(Source):
    """A tensor of yours: `[batch *axes]` of the site or of the selection, where 1 fits any length."""

    value: Tensor

    @property
    def label(self) -> str:
        return "a tensor"

    def values(self, site: Site, rows: slice, runs: Runs) -> Tensor:
        return _rows_of(self.value, site, rows, len(runs.tokens))


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
