"""Which number stands here when they are sorted, and which in the middle?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.order import BIG
from algoscope.explanation.library.parts import last_anchor
from algoscope.explanation.library.scope import UNSEEN, Scope

Rank = Callable[[Inputs, Int[Tensor, "batch 1"]], Int[Tensor, "batch seq"]]
"""For each place, which of the sorted numbers is looked up, the number of numbers being known."""
Where = Callable[[Inputs], Bool[Tensor, "batch seq"]]


def sorted_numbers(scope: Scope) -> list[Concept]:
    """Numbers by their rank in a part of the input that is complete; none where letters are no numbers.

    A part is complete behind it, and everywhere where the model sees ahead.
    """
    if not scope.language.ordered:
        return []
    return [
        Concept(f"the {words} of {scope.part(part)}", _ranked(part, rank), scope.reach, numeric=True)
        for part in scope.ended
        for words, rank in _ranks()
    ]


def _ranks() -> tuple[tuple[str, Rank], ...]:
    return (
        ("number to stand here in order", lambda inputs, count: inputs.place - last_anchor(inputs) - 1),
        ("number to stand next in order", lambda inputs, count: inputs.place - last_anchor(inputs)),
        ("lower middle number", lambda inputs, count: (count - 1) // 2),
        ("upper middle number", lambda inputs, count: count // 2),
    )


def _ranked(part: int, rank: Rank) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        where = inputs.letter & (inputs.segment == part)
        numbers = torch.where(where, inputs.tokens, BIG).sort(1).values
        count = where.long().sum(1, keepdim=True)
        wanted = rank(inputs, count).expand(inputs.tokens.shape)
        found = numbers.gather(1, wanted.clamp(0, inputs.tokens.shape[1] - 1))
        known = (wanted >= 0) & (wanted < count)
        if inputs.language.causal:
            known &= inputs.segment > part
        return torch.where(known, found, UNSEEN)

    return of
