"""Values of which many variants of a run share most: only the different ones are held."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

Different = tuple[Int[Tensor, "different"], Int[Tensor, "variant"]]
"""One variant of each kind, and the kind of each variant."""


@dataclass(frozen=True, eq=False)
class Each:
    """A value for each variant, of which only the different ones are held."""

    values: Float[Tensor, "different batch position d"]
    which: Int[Tensor, "variant"]

    def of(self, variants: Int[Tensor, "some"]) -> Float[Tensor, "#some batch position d"]:
        """The values of these variants; a single one stands for all."""
        return self.values if len(self.values) == 1 else self.values[self.which[variants]]

    def used(self) -> Each:
        """Without values that no variant has."""
        rows, which = self.which.unique(return_inverse=True)
        return self if len(rows) == len(self.values) else Each(self.values[rows], which)

    def plus(self, other: Each) -> Each:
        """The sum of both for each variant."""
        chosen, which = different(torch.stack((self.which, other.which), 1))
        values = self.values.new_empty(len(chosen), *self.values.shape[1:])
        rows = zip(self.which[chosen].tolist(), other.which[chosen].tolist(), values, strict=True)
        for mine, its, value in rows:
            torch.add(self.values[mine], other.values[its], out=value)
        return Each(values, which)


def different(keys: Shaped[Tensor, "variant part"]) -> Different:
    """One variant of each kind, kinds being told apart by their rows of keys; and each variant's kind."""
    if len(keys) == 1:
        first = torch.zeros(1, dtype=torch.long, device=keys.device)
        return first, first
    numbers: dict[bytes, int] = {}
    rows = keys.cpu().contiguous().numpy()
    which = [numbers.setdefault(row, len(numbers)) for row in rows.view(f"V{rows[0].nbytes}")[:, 0].tolist()]
    found = torch.tensor(which, device=keys.device)
    chosen = torch.empty(len(numbers), dtype=torch.long, device=keys.device)
    chosen[found] = torch.arange(len(keys), device=keys.device)
    return chosen, found
