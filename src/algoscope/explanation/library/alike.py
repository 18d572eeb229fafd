"""Where else the token of a place stands: before, first, last, and how often."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Codes
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN


class Alike:
    """The places of each input sorted by their tokens: those with one token are a group, in order."""

    def __init__(self, tokens: Int[Tensor, "batch seq"]) -> None:
        self._order = torch.argsort(tokens, dim=1, stable=True)
        kinds = tokens.gather(1, self._order)
        index = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
        begins = torch.ones_like(kinds, dtype=torch.bool)
        begins[:, 1:] = kinds[:, 1:] != kinds[:, :-1]
        self._index = index
        self._start = torch.where(begins, index, 0).cummax(1).values

    @classmethod
    def of(cls, inputs: Inputs) -> Alike:
        return cls(inputs.tokens)

    def first(self) -> Codes:
        """The first place with the token of each place."""
        return self._placed(self._order.gather(1, self._start))

    def previous(self) -> Codes:
        """The last place before each that has its token; UNSEEN if it is the first."""
        before = self._order.gather(1, (self._index - 1).clamp(min=0))
        return self._placed(torch.where(self._index > self._start, before, UNSEEN))

    def so_far(self, counts: Bool[Tensor, "batch seq"]) -> Codes:
        """How many of the places that count, up to each place, have its token."""
        hits = counts.gather(1, self._order).long()
        total = hits.cumsum(1)
        return self._placed(total - (total - hits).gather(1, self._start))

    def in_all(self, counts: Bool[Tensor, "batch seq"]) -> Codes:
        """How many of the places that count have the token of each place."""
        so_far = self.so_far(counts).gather(1, self._order)
        # In sorted order the last of a group knows the number; each place takes it from there.
        ends = torch.ones_like(counts)
        ends[:, :-1] = self._start[:, 1:] != self._start[:, :-1]
        last = torch.where(ends, self._index, self._index.shape[1]).flip(1).cummin(1).values.flip(1)
        return self._placed(so_far.gather(1, last))

    def _placed(self, values: Int[Tensor, "batch seq"]) -> Codes:
        """From sorted order back to places."""
        return torch.empty_like(values).scatter(1, self._order, values)
