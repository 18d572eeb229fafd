"""In which batches are inputs run, so that as little as possible is computed in vain?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.model.transformer import PositionIds, Transformer
from algoscope.tasks.task import Examples

BATCH = 512
"""Inputs per forward pass: large enough for speed, small enough that attention stays in the CPU's cache."""

Mask = Bool[Tensor, "batch seq"]
"""Places in inputs: each marked one is a row of a result, example by example and from left to right."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some inputs, on the model's device, cut where nothing is left to run."""

    examples: Int[Tensor, "part"]
    """Which examples these are."""
    tokens: Int[Tensor, "part seq"]
    position_ids: PositionIds
    at: Bool[Tensor, "part seq"]
    """The marked places."""
    rows: Int[Tensor, "row"]
    """Which rows of the result the marked places are."""


def batches(model: Transformer, examples: Examples, at: Mask) -> Iterator[Batch]:
    """A model's inputs in batches of similar length, without the padding that all of a batch share.

    Nothing reads padding, so what a model does elsewhere is the same to rounding. Marked places are never
    cut off; inputs without one are not run.
    """
    device, pad = model.W_E.device, model.config.pad_token
    used = torch.ones_like(at) if pad is None else at | (examples.tokens != pad)
    places = torch.arange(1, at.shape[1] + 1, device=at.device)
    ends = (used * places).amax(1)
    number = torch.zeros_like(at, dtype=torch.long)
    number[at] = torch.arange(int(at.sum()), device=at.device)
    wanted = at.any(1).nonzero()[:, 0]
    for part in wanted[ends[wanted].argsort(stable=True)].split(BATCH):
        if not len(part):
            return
        seen = slice(0, int(ends[part].max()))
        marked = at[part, seen]
        ids = None if examples.position_ids is None else examples.position_ids[part, seen].to(device)
        tokens = examples.tokens[part, seen].to(device)
        yield Batch(part, tokens, ids, marked.to(device), number[part, seen][marked])


def everywhere(examples: Examples) -> Mask:
    """Marks every place."""
    return torch.ones_like(examples.answered)


def at_position(examples: Examples, position: int) -> Mask:
    """Marks one position of every input."""
    mask = torch.zeros_like(examples.answered)
    mask[:, position] = True
    return mask
