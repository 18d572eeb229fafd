"""Which token stands in the part before at the index that this place has in its own, from either end?"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import anchor_before, last_anchor
from algoscope.explanation.library.scope import Scope
from algoscope.explanation.library.tokens import Places, same_at, token_at


def parallel(scope: Scope) -> list[Concept]:
    """Every concept that looks from a part of the input at the part before it; none where there is only one.

    From a part that is longer, it may be a token of this part, or of one further back.
    """
    if len(scope.parts) < 2:
        return []
    depth = scope.relative_depth
    shifts = ((-1, "one place back from"), (0, "at"), (1, "one place ahead of"))
    kinds = (
        ("this index in the part before", _same_index),
        ("the mirror of this index before", _mirror_index),
    )
    return [
        concept
        for what, places in kinds
        for shift, words in shifts
        for concept in (
            token_at(f"{words} {what}", _moved(places, shift), scope, Sees.BEFORE, depth),
            same_at(f"{words} {what}", _moved(places, shift), Sees.BEFORE, depth),
        )
    ]


def _moved(places: Places, shift: int) -> Places:
    return lambda inputs: places(inputs) + shift


def _same_index(inputs: Inputs) -> Int[Tensor, "batch seq"]:
    """As far behind the anchor before the last as this place is behind the last."""
    return anchor_before(inputs) + inputs.place - last_anchor(inputs)


def _mirror_index(inputs: Inputs) -> Int[Tensor, "batch seq"]:
    """As far before the last anchor as this place is behind it; behind all places where there is none."""
    last = last_anchor(inputs)
    return torch.where(last > 0, 2 * last - inputs.place, inputs.tokens.shape[1])
