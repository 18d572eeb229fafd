"""A table from what concepts say to what a part of a model puts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MOST_CELLS = 2000
"""Of a sum of tables: finding it takes time with the cube of this."""
RIDGE = 0.1
"""Rows' worth of doubt: by how much the cells of a sum of tables are drawn towards zero."""

Codes = Int[Tensor, "row factor"]
"""What each of the concepts says at each row."""
Values = Float[Tensor, "row d"]


class Table(Protocol):
    """Means of what was put out, by what the concepts say."""

    @property
    def size(self) -> int:
        """How many means it holds."""
        ...

    def __call__(self, codes: Codes) -> tuple[Values, Bool[Tensor, "row"]]:
        """What stands there for each row, and whether all that the concepts say of it was seen before."""
        ...


@dataclass(frozen=True, eq=False)
class Joint:
    """A mean for every combination that was seen; for another one, of its longest beginning that was."""

    values: tuple[Int[Tensor, "value"], ...]
    """By factor, all that it said, sorted."""
    keys: tuple[Int[Tensor, "cell"], ...]
    """By factor, sorted: the cell of those before it, times how many values this has, plus which it is."""
    means: tuple[Float[Tensor, "cell d"], ...]
    """Of no factor (one cell), the first factor, the first two ..."""

    @property
    def size(self) -> int:
        return len(self.means[-1])

    def cells(self, codes: Codes) -> Int[Tensor, "row"]:
        """Which of the last means each row gets; -1 for a combination that was not seen."""
        return self._walk(codes)[1]

    def __call__(self, codes: Codes) -> tuple[Values, Bool[Tensor, "row"]]:
        found, cell = self._walk(codes)
        return found, cell >= 0

    def _walk(self, codes: Codes) -> tuple[Values, Int[Tensor, "row"]]:
        cell = torch.zeros(len(codes), dtype=torch.long, device=codes.device)
        found = self.means[0][cell]
        for factor, (values, keys) in enumerate(zip(self.values, self.keys, strict=True)):
            value = _position(values, codes[:, factor])
            key = _position(keys, cell * len(values) + value)
            cell = torch.where((cell >= 0) & (value >= 0), key, -1)
            known = cell >= 0
            found[known] = self.means[factor + 1][cell[known]]
        return found, cell


@dataclass(frozen=True, eq=False)
class Additive:
    """The mean of all, and for each factor what each of its values adds."""

    mean: Float[Tensor, "d"]
    values: tuple[Int[Tensor, "value"], ...]
    added: tuple[Float[Tensor, "value d"], ...]
    """By factor. A value that was not seen adds nothing."""

    @property
    def size(self) -> int:
        return sum(map(len, self.added))

    def __call__(self, codes: Codes) -> tuple[Values, Bool[Tensor, "row"]]:
        found = self.mean.expand(len(codes), -1).clone()
        known = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
        for factor, (values, added) in enumerate(zip(self.values, self.added, strict=True)):
            value = _position(values, codes[:, factor])
            seen = value >= 0
            found[seen] += added[value[seen]]
            known &= seen
        return found, known


def fitted(codes: Codes, values: Values) -> Table:
    """The table of these rows: joint or additive, whichever says better what a row is from the other rows."""
    return best_fit(codes, values)[0]


def best_fit(codes: Codes, values: Values) -> tuple[Table, float]:
    """The table, and by how much it misses a row that is left out: the mean squared distance."""
    joint, left = _joint(codes, values)
    if codes.shape[1] < 2 or sum(len(each) for each in joint.values) > MOST_CELLS:
        return joint, left
    additive, left_of_sum = _additive(codes, values, joint.values)
    return (joint, left) if left <= left_of_sum else (additive, left_of_sum)


def _joint(codes: Codes, values: Values) -> tuple[Joint, float]:
    """A joint table, and its error at each row if that is left out: the mean square."""
    cell = torch.zeros(len(codes), dtype=torch.long, device=codes.device)
    overall, estimate = _means(cell, values, values)
    seen, keys, means = [], [], [overall]
    for factor in range(codes.shape[1]):
        said, value = codes[:, factor].unique(return_inverse=True)
        key, cell = (cell * len(said) + value).unique(return_inverse=True)
        mean, estimate = _means(cell, values, estimate)
        seen.append(said)
        keys.append(key)
        means.append(mean)
    return Joint(tuple(seen), tuple(keys), tuple(means)), float((values - estimate).square().sum(1).mean())


def _means(
    cell: Int[Tensor, "row"], values: Values, otherwise: Values
) -> tuple[Float[Tensor, "cell d"], Values]:
    """The mean of each cell, and for each row that of its cell's other rows, `otherwise` without any."""
    count = cell.bincount().to(values)[:, None]
    sums = values.new_zeros(len(count), values.shape[1]).index_add_(0, cell, values)
    others = (sums[cell] - values) / (count[cell] - 1).clamp(min=1)
    return sums / count, torch.where(count[cell] > 1, others, otherwise)


def _additive(codes: Codes, values: Values, said: Sequence[Int[Tensor, "value"]]) -> tuple[Additive, float]:
    """A sum of tables by least squares, and its error at each row if that is left out: the mean square.

    With the rows as ones in a matrix X of cells, T = (XᵀX + λ)⁻¹ Xᵀ(values − mean). A row that is left out
    is missed by its residual / (1 − h), with h = 1/n + x (XᵀX + λ)⁻¹ xᵀ.
    """
    sizes = [len(each) for each in said]
    starts = torch.tensor([0, *sizes]).cumsum(0).tolist()
    column = torch.stack(
        [
            start + _position(each, codes[:, i])
            for i, (start, each) in enumerate(zip(starts, said, strict=False))
        ],
        1,
    )
    total, mean = starts[-1], values.mean(0)
    pairs = (column[:, :, None] * total + column[:, None, :]).flatten()
    gram = pairs.bincount(minlength=total * total).reshape(total, total).double()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + RIDGE * torch.eye(total).to(gram)))
    centred = (values - mean).double()
    sums = centred.new_zeros(total, values.shape[1])
    for each in column.T:
        sums.index_add_(0, each, centred)
    cells = inverse @ sums
    residual = centred - sum(cells[each] for each in column.T)
    leverage = inverse.flatten()[pairs].reshape(len(codes), -1).sum(1) + 1 / len(codes)
    left = residual / (1 - leverage).clamp(min=1e-3)[:, None]
    table = Additive(mean, tuple(said), tuple(cells.to(values).split(sizes)))
    return table, float(left.square().sum(1).mean())


def _position(sorted_values: Int[Tensor, "value"], wanted: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """Where each wanted number stands among the sorted ones; -1 where it does not."""
    if not len(sorted_values):
        return torch.full_like(wanted, -1)
    place = torch.searchsorted(sorted_values, wanted.contiguous()).clamp(max=len(sorted_values) - 1)
    return torch.where(sorted_values[place] == wanted, place, -1)
