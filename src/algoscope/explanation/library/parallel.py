"""Which token stands in the part before at the index that this place has in its own, from either end?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import anchor_before, last_anchor
from algoscope.explanation.library.scope import Scope


def parallel(scope: Scope) -> list[Concept]:
    """Every concept that looks from a part of the input at the part before it; none where there is only one.

    All of it lies before: from a part that is longer, it may be a token of this part, or of one further back.
    """
    if len(scope.parts) < 2:
        return []
    shifts = ((-1, "one place back from"), (0, "at"), (1, "one place ahead of"))
    found = [
        _looked_up(f"the token {words} {what} this place in the part before", places, shift, scope)
        for what, places in (("the index of", _same_index), ("the mirror image of", _mirror_index))
        for shift, words in shifts
    ]
    same = Concept(
        "whether the token here is also at its index in the part before",
        lambda inputs: (_at(inputs, _same_index(inputs)) == inputs.tokens).long(),
        depth=scope.relative_depth,
    )
    return [*found, same]


def _looked_up(
    name: str, places: Callable[[Inputs], Int[Tensor, "batch seq"]], shift: int, scope: Scope
) -> Concept:
    return Concept(name, lambda inputs: _at(inputs, places(inputs) + shift), depth=scope.relative_depth)


def _at(inputs: Inputs, places: Int[Tensor, "batch seq"]) -> Codes:
    """The token there if it is not ahead."""
    return inputs.at(torch.where(places <= inputs.place, places, -1))


def _same_index(inputs: Inputs) -> Int[Tensor, "batch seq"]:
    """As far behind the anchor before the last as this place is behind the last."""
    return anchor_before(inputs) + inputs.place - last_anchor(inputs)


def _mirror_index(inputs: Inputs) -> Int[Tensor, "batch seq"]:
    """As far before the last anchor as this place is behind it."""
    return 2 * last_anchor(inputs) - inputs.place
