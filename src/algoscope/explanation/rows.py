"""Where a node is in a pool: its rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.explanation.partners import stand_ins
from algoscope.explanation.places import Place
from algoscope.explanation.pool import Pool


@dataclass(frozen=True, eq=False)
class Rows:
    """Every place of every input that is one place of a model, input by input."""

    place: Place
    where: Bool[Tensor, "batch seq"]
    identity: Int[Tensor, "row"]
    """Two rows with one number see the same."""
    tested: int
    """How many of them, the first ones, belong to the inputs that changes are tried on."""

    def others(self, codes: Int[Tensor, "row"], generator: Generator) -> Int[Tensor, "row"]:
        """For each row another one with its code that does not see the same; itself where there is none."""
        own = torch.arange(len(codes), device=codes.device)
        return stand_ins(codes, self.identity, own, generator)[0]


def rows(pool: Pool, place: Place, tested: int) -> Rows:
    """The rows of a place."""
    where = place.of(pool.inputs)
    return Rows(place, where, pool.identity[where], int(where[:tested].sum()))
