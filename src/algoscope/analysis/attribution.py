"""Which component pushes the answer, towards which class, and how far?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.components import Components
from algoscope.analysis.linearised import LinearFit
from algoscope.errors import UserError
from algoscope.model.component import Component
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import Labels


@dataclass(frozen=True)
class Direction:
    """A vector in the residual stream whose dot product means something."""

    vector: Float[Tensor, "d_model"]
    towards: str
    """What a positive dot product speaks for: the name of a class."""
    where: str
    """Where in the model it lives: "after the final norm"."""
    r2: float = 1.0
    """How well the linear map that it was pulled through fits; 1 if it was through none."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """How far each component pushes the answer in each row, in logits."""

    parts: tuple[Component, ...]
    values: Float[Tensor, "component row"]
    towards: str
    """The class that positive values push towards, as against its rival."""

    def __getitem__(self, part: Component) -> Float[Tensor, "row"]:
        if part not in self.parts:
            raise UserError(f"no component {part}: there are {', '.join(map(str, self.parts))}")
        return self.values[self.parts.index(part)]

    @property
    def heads(self) -> tuple[Component, ...]:
        return tuple(part for part in self.parts if part.head is not None)

    def mean(self, rows: Bool[Tensor, "row"]) -> dict[Component, float]:
        """Each component's mean over these rows; NaN if there are none."""
        means = self.values[:, rows].double().mean(1)
        return dict(zip(self.parts, means.tolist(), strict=True))


def class_direction(model: Transformer, towards: int, against: int, name: str) -> Direction:
    """The direction after the final norm along which the logit of one class grows over another's."""
    vector = (model.W_U[:, towards] - model.W_U[:, against]).detach().cpu()
    return Direction(vector, name, "after the final norm")


def pull_back(direction: Direction, fit: LinearFit, where: str) -> Direction:
    """The same direction in front of the norm that `fit` stands for."""
    vector = (fit.A.T @ direction.vector.double()).float()
    return Direction(vector, direction.towards, where, direction.r2 * fit.r2)


def contributions(components: Components, direction: Direction, centre: Bool[Tensor, "row"]) -> Contributions:
    """Each component's dot product with the direction, less its mean over the rows marked in `centre`.

    Unit: logits, as far as the linearised norm holds. Zero is the mean over the marked rows, so the
    components of a row add up to the linearised logit difference minus that of the marked rows.
    Method: ARENA 1.5.1. Raises UserError if no row is marked.
    """
    if not centre.any():
        raise UserError("no example to centre contributions on: give examples of every class")
    vector = direction.vector.to(components.values)
    values = einsum(components.values, vector, "component row d_model, d_model -> component row")
    mean = values[:, centre].double().mean(1, keepdim=True)
    return Contributions(components.parts, (values - mean).float(), direction.towards)


def margins(model: Transformer, components: Components, fit: LinearFit, labels: Labels) -> Contributions:
    """Each component's contribution to the truth: for a class, its logit over the mean of the other classes';
    for a set, the mean over classes of the logit, with its sign turned where the class does not belong.

    Unit: logits, as far as the linearised norm holds; zero is what the component would contribute if it wrote
    its mean output everywhere.
    """
    W_U = model.W_U.detach().cpu().double()
    if labels.dtype == torch.bool:
        after = (2 * labels.cpu().double() - 1) @ W_U.T / W_U.shape[1]
    else:
        others = (W_U.sum(1, keepdim=True) - W_U) / (W_U.shape[1] - 1)
        after = (W_U - others).T[labels.cpu()]
    before = after @ fit.A
    values = components.values.double()
    centred = values - values.mean(1, keepdim=True)
    pushed = einsum(centred, before, "component row d_model, row d_model -> component row")
    return Contributions(components.parts, pushed.float(), "the truth")


@dataclass(frozen=True)
class Histograms:
    """For each component and group of examples, the share of the group in each bin."""

    parts: tuple[Component, ...]
    groups: tuple[str, ...]
    shares: Float[np.ndarray, "component group bin"]
    """Each sums to 1 over bins; what lies outside the edges counts in the outermost bins."""
    edges: Float[np.ndarray, "edge"]
    towards: str


def histograms(
    pushed: Contributions, groups: Mapping[str, Bool[Tensor, "row"]], bins: int = 60
) -> Histograms:
    """How each component's contributions are spread in each group, all on one axis.

    The axis leaves out the extreme half per cent of each component at either end, and always shows zero.
    Groups without an example are left out.
    """
    present = {name: mask for name, mask in groups.items() if mask.any()}
    values = pushed.values.double().numpy()
    lows, highs = np.quantile(values, [0.005, 0.995], axis=1)
    low, high = min(lows.min(), 0.0), max(highs.max(), 0.0)
    room = 0.04 * (high - low) or 1.0
    edges = np.linspace(low - room, high + room, bins + 1)
    inside = np.clip(values, edges[0], edges[-1])
    shares = np.array(
        [
            [np.histogram(row[mask.numpy()], edges)[0] / int(mask.sum()) for mask in present.values()]
            for row in inside
        ]
    )
    return Histograms(pushed.parts, tuple(present), shares, edges, pushed.towards)
