"""A task small enough to learn in a second, and one with an answer at several positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from algoscope.tasks.task import Examples, Task


class First(Task):
    """Is the first of four bits set? The answer is read at the last position."""

    name = "first"
    vocabulary = ("0", "1")
    pad = None
    n_ctx = 4
    classes = ("no", "yes")
    answer: int | slice = 3
    usual = {"attention_dir": "causal"}  # noqa: RUF012

    def sample(self, n: int, seed: int) -> Examples:
        return self.examples(torch.randint(0, 2, (n, 4), generator=torch.Generator().manual_seed(seed)))

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]

    def concepts(self, tokens: Tensor) -> dict[str, Tensor]:
        return {}

    def encode(self, inputs: Sequence[object]) -> Tensor:
        return torch.tensor([[int(bit) for bit in str(text)] for text in inputs])


class Reversed(First):
    """The last two bits, in the opposite order, are the answers at the last two positions."""

    name = "reversed"
    answer = slice(2, 4)
    usual = {"attention_dir": "bidirectional"}  # noqa: RUF012

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, 2:].flip(-1)


class Mislabelled(First):
    """Its labels reach past its classes."""

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0] + 1


class Misshapen(First):
    """It has two labels for one answer position."""

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, :2]
