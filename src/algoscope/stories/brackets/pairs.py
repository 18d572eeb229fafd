"""Pairs of strings that differ in what matters, and in nothing that need not."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.tasks.brackets import CLOSE, OPEN, PAD, Brackets
from algoscope.tasks.task import Examples


def with_balanced(
    examples: Examples, chosen: Bool[Tensor, "batch"], most: int
) -> tuple[Examples, Examples] | None:
    """Up to `most` of the chosen examples, each with a balanced one of its length; None if there is none."""
    lengths = (examples.tokens != PAD).sum(1)
    balanced = {int(n): (examples.labels.eq(1) & (lengths == n)).nonzero()[:, 0] for n in lengths.unique()}
    rows: list[int] = []
    partners: list[int] = []
    for count, row in enumerate(chosen.nonzero()[:, 0].tolist()):
        candidates = balanced[int(lengths[row])]
        if len(candidates) and len(rows) < most:
            rows.append(row)
            # Partners take turns, so that no single balanced string decides.
            partners.append(int(candidates[count % len(candidates)]))
    return (examples[rows], examples[partners]) if rows else None


def first_turned(examples: Examples, most: int) -> tuple[Examples, Examples] | None:
    """Balanced strings behind “)(”, and the same ones behind “()”; None if none is short enough.

    The two differ in their first two brackets. All other suffixes are those of the balanced string.
    """
    room = (examples.tokens == PAD).sum(1) >= 2
    inner = examples.tokens[examples.labels.eq(1) & room][:most]
    if not len(inner):
        return None
    task = Brackets()
    return task.examples(_behind(inner, (CLOSE, OPEN))), task.examples(_behind(inner, (OPEN, CLOSE)))


def _behind(tokens: Int[Tensor, "batch seq"], two: tuple[int, int]) -> Int[Tensor, "batch seq"]:
    """The strings with two brackets put in front, in place of two of the padding."""
    front = torch.tensor(two, device=tokens.device).expand(len(tokens), 2)
    return torch.cat([tokens[:, :1], front, tokens[:, 1:-2]], 1)
