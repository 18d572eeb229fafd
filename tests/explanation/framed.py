"""What the tasks of public models share: special tokens, padding, positions from a random offset."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

SPECIAL = ("<bos>", "<sep>", "<eos>", "<pad>")
"""They follow the letters, in this order."""
OFFSETS = 101
"""Inputs begin at position embedding 0 to 100."""


def position_ids(real: Bool[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
    """Each input's positions from an offset of its own; padding repeats the last one."""
    offset = torch.randint(OFFSETS, (len(real), 1), generator=generator)
    return offset + (real.cumsum(1) - 1)


def padded(rows: list[list[int]], pad: int, width: int) -> Int[Tensor, "batch seq"]:
    """Rows of ids, each filled up to the width, or to the longest row."""
    width = max([width, *map(len, rows)])
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], dtype=torch.long).reshape(
        -1, width
    )
