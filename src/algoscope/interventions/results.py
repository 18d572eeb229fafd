"""What a sweep found, with labels that say which row is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.intervention import COLUMNS, Intervention

if TYPE_CHECKING:
    import pandas

Label = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of a sweep laid out along named axes; NaN where the sweep had no such intervention."""

    values: Float[Tensor, "..."]
    axes: tuple[str, ...]
    coordinates: tuple[tuple[object, ...], ...]
    """What each index along each axis stands for."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """A value for each intervention: logits, or a metric."""

    values: Float[Tensor, "intervention ..."]
    clean: Float[Tensor, "..."]
    """The same without any intervention."""
    labels: tuple[Label, ...]
    """Component (where it is one), site, layer, head, position, key, neuron and source of each; of several
    together, where they agree."""
    measure: str
    """What the values are: "logits", or the metric's name."""

    def __len__(self) -> int:
        return len(self.labels)

    def top(self, k: int, largest: bool = True) -> Sweep:
        """The k interventions with the largest (or smallest) values, in order. Needs a metric."""
        self._need_metric("top")
        order = self.values.argsort(descending=largest)[:k]
        return Sweep(
            self.values[order], self.clean, tuple(self.labels[i] for i in order.tolist()), self.measure
        )

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each intervention: its label's columns, and the metric."""
        # Slow to import, and needed here alone.
        import pandas

        self._need_metric("to_pandas")
        return pandas.DataFrame([dict(label) for label in self.labels]).assign(
            **{self.measure: self.values.tolist()}
        )

    def as_grid(self, *axes: str) -> Grid:
        """The values along these columns of the labels, e.g. `as_grid("layer", "head", "position")`.

        Numbers are in order, other coordinates as the sweep has them. Trailing axes of the values (row,
        class) stay. Raises UserError if a column does not exist, or two interventions fall on the same place.
        """
        columns = [self._column(axis) for axis in axes]
        coordinates = [tuple(sorted(dict.fromkeys(column), key=_order)) for column in columns]
        grid = self.values.new_full((*map(len, coordinates), *self.values.shape[1:]), torch.nan)
        filled: set[tuple[int, ...]] = set()
        for row, cell in enumerate(zip(*columns, strict=True)):
            at = tuple(coordinate.index(name) for coordinate, name in zip(coordinates, cell, strict=True))
            if at in filled:
                where = ", ".join(f"{axis} {name}" for axis, name in zip(axes, cell, strict=True))
                raise UserError(f"two interventions share {where}: name another column to keep them apart")
            filled.add(at)
            grid[at] = self.values[row]
        return Grid(grid, axes, tuple(coordinates))

    def _column(self, axis: str) -> list[object]:
        if not axis or axis not in self.labels[0]:
            raise UserError(f"no column {axis!r}: the labels have {', '.join(self.labels[0])}")
        return [label[axis] for label in self.labels]

    def _need_metric(self, what: str) -> None:
        if self.values.ndim != 1:
            raise UserError(
                f"{what} needs one number an intervention, not {self.measure} for each answer: "
                "give the sweep a metric that is a mean over them"
            )


def label(variant: Sequence[Intervention]) -> Label:
    """The label of interventions that act together: what they agree on, and None where they differ.

    None throughout if there are none, which is the clean run.
    """
    labels = [one.label for one in variant]
    shared = [{one[name] for one in labels} for name in COLUMNS]
    return {
        name: next(iter(found)) if len(found) == 1 else None
        for name, found in zip(COLUMNS, shared, strict=True)
    }


def name_of(metric: object) -> str:
    """What a metric is called in tables: its function's name."""
    return "logits" if metric is None else str(getattr(metric, "__name__", type(metric).__name__))


def _order(value: object) -> tuple[int, float]:
    """Sorts None first, then numbers, and leaves the rest as it is."""
    if isinstance(value, int | float):
        return 1, float(value)
    return (0 if value is None else 2), 0.0
