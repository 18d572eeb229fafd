"""In which batches are inputs run, so that as little as possible is computed in vain?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

BATCH = 512
"""Inputs per forward pass: large enough for speed, small enough that attention stays in the CPU's cache."""


class Batches:
    """A model's inputs in batches of similar length, without the padding that all of a batch share.

    Nothing reads padding, so what a model does elsewhere is the same to rounding. Positions named by
    `place` are never cut off; a slice, or a position counted from the end, needs all of them.
    """

    def __init__(self, model: Transformer, examples: Examples, place: int | slice) -> None:
        self._tokens = examples.tokens
        self._device = model.W_E.device
        self._place = place if isinstance(place, int) and place >= 0 else None
        # An id that no token has, for a model that knows no padding.
        pad = model.config.pad_token
        self._real = self._tokens != (-1 if pad is None else pad)
        lengths = self._real.sum(1)
        self._order = torch.arange(len(lengths)) if self._place is None else lengths.argsort(stable=True)

    def __iter__(self) -> Iterator[Int[Tensor, "batch seq"]]:
        return (tokens for _, tokens in self.with_rows())

    def with_rows(self) -> Iterator[tuple[Int[Tensor, "batch"], Int[Tensor, "batch seq"]]]:
        """Each batch, after the rows of the examples that it holds."""
        for rows in self._order.split(BATCH):
            if len(rows):
                yield rows, self._tokens[rows, : self._end(rows)].to(self._device)

    def restored(self, parts: Sequence[Tensor], axis: int = 0) -> Tensor:
        """What was computed for each batch, put together in the order of the examples."""
        return torch.cat(list(parts), axis).index_select(axis, self._order.argsort())

    def _end(self, rows: Int[Tensor, "batch"]) -> int:
        seq = self._tokens.shape[1]
        used = self._real[rows].any(0).nonzero()
        if self._place is None or not len(used):
            return seq
        return max(self._place, int(used.max())) + 1
