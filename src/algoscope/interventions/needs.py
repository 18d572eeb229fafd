"""What a source needs of runs without interventions, as data: on which inputs, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from algoscope.model.sites import Site
from algoscope.model.transformer import PositionIds


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model is run on."""

    tokens: Int[Tensor, "batch seq"]
    position_ids: PositionIds = None
    classes: Int[Tensor, "batch"] | None = None
    """The class of each input, for means per class; None if inputs have no single class, or nobody said."""

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice | Int[Tensor, "part"]) -> Inputs:
        return self._each(lambda value: value[rows])

    def to(self, device: torch.device) -> Inputs:
        """The same inputs on another device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Inputs:
        parts = (self.position_ids, self.classes)
        return Inputs(change(self.tokens), *(None if part is None else change(part) for part in parts))


Summand = Callable[[Shaped[Tensor, "part *axes"], slice, Site], Shaped[Tensor, "sum *axes"]]
"""Called as `summand(values, rows, site)` with the values of a site on some rows of the inputs."""


@dataclass(frozen=True, eq=False)
class Need:
    """Values of a run without interventions on some inputs, in step with the batch, or a sum over them."""

    inputs: Inputs
    """As many as the batch has, paired in order, or one for them all; any number if they are summed."""
    summand: Summand | None = None
    """What is added up, part by part, so that memory does not grow with the inputs; None for the values."""
    partners: Int[Tensor, "batch"] | None = None
    """Which of the batch `inputs` are, if they are of it: where the batch is run anyway, they are not."""
