"""Small random changes of inputs, for a task's `neighbours`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from algoscope.errors import UserError

Propose = Callable[[Int[Tensor, "batch seq"], Generator], Int[Tensor, "batch seq"]]
"""Changes each input a little, at random: the neighbours that a search looks at."""


def token_changes(choices: Sequence[int], changes: int = 1) -> Propose:
    """Proposals that put another of the tokens `choices` at up to `changes` of the places that hold one.

    Raises UserError for fewer than two different tokens.

    >>> propose = token_changes([0, 1])
    >>> propose(torch.tensor([[1, 7, 7]]), torch.Generator()).tolist()
    [[0, 7, 7]]
    """
    allowed = torch.tensor(sorted(set(choices)))
    if len(allowed) < 2:
        raise UserError(f"{list(choices)} leaves nothing to change to: give at least two different tokens")

    def propose(tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        for index in range(changes):
            changed = _one_changed(tokens, allowed, generator)
            # Each change after the first is made to half of the inputs, so near neighbours are seen too.
            kept = torch.rand(len(tokens), 1, generator=generator) < 0.5 * (index > 0)
            tokens = torch.where(kept, tokens, changed)
        return tokens

    return propose


def _one_changed(
    tokens: Int[Tensor, "batch seq"], allowed: Int[Tensor, "choice"], generator: Generator
) -> Int[Tensor, "batch seq"]:
    """Another of the allowed tokens at one place that holds one; the same where there is no such place."""
    free = torch.isin(tokens, allowed)
    place = torch.multinomial(free.double() + 1e-300, 1, generator=generator)
    old = tokens.gather(1, place)
    step = torch.randint(1, len(allowed), old.shape, generator=generator)
    new = allowed[(torch.searchsorted(allowed, old) + step) % len(allowed)]
    return tokens.scatter(1, place, torch.where(free.gather(1, place), new, old))
