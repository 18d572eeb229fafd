"""Which inputs are run together, and how many of their positions: no more padding than need be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.model.config import Config
from algoscope.tasks.task import Examples

Group = tuple[Int[Tensor, "example"], int]
"""Some of the inputs by their numbers, and how many positions of each are run."""


def lengths(config: Config, examples: Examples) -> Int[Tensor, "batch"]:
    """How many positions of each input can matter to its answers, counted from the first."""
    tokens, seq = examples.tokens, examples.tokens.shape[1]
    places = torch.arange(1, seq + 1, device=tokens.device)
    answered = (examples.answered * places).amax(1)
    real = torch.ones_like(examples.answered) if config.pad_token is None else tokens != config.pad_token
    if config.attention_dir != "causal":
        answered = torch.maximum(answered, (real * places).amax(1))
    # Where no key may be seen, attention is even over all positions: left as it is.
    return torch.where(real[:, 0], answered, seq)


def without_rest(config: Config, examples: Examples) -> Examples:
    """The same inputs without the positions behind all that can matter to an answer of theirs."""
    length = int(lengths(config, examples).max())
    return replace(
        examples,
        tokens=examples.tokens[:, :length],
        answered=examples.answered[:, :length],
        position_ids=None if examples.position_ids is None else examples.position_ids[:, :length],
    )


def groups(length: Int[Tensor, "batch"], most: int) -> Iterator[Group]:
    """Inputs of about the same length, together `most` positions, or a single input.

    >>> [numbers.tolist() for numbers, _ in groups(torch.tensor([2, 5, 2]), 5)]
    [[0, 2], [1]]
    """
    ordered = length.argsort(stable=True).tolist()
    lengths, start = length.tolist(), 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or lengths[ordered[end]] * (end + 1 - start) > most:
            yield torch.tensor(ordered[start:end], device=length.device), lengths[ordered[end - 1]]
            start = end
