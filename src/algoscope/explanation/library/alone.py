"""Which letters occur only once, and which of them is the first?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.alike import Alike
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere


def alone(scope: Scope) -> list[Concept]:
    """Every concept about letters that occur once; none in a causal model, which sees no end."""
    if scope.language.causal:
        return []
    return [
        Concept(
            "whether the letter here occurs only once", lambda inputs: _once(inputs).long(), Sees.ANYWHERE
        ),
        _deeper("how many letters that occur only once stand before here", _before, numeric=True),
        _deeper("how many letters occur only once", _total, numeric=True),
        _deeper("whether the first letter that occurs only once is here", _first_here),
        _deeper("the first letter that occurs only once", _first),
    ]


def _deeper(name: str, of: Callable[[Inputs], Codes], numeric: bool = False) -> Concept:
    """Compares letters that have been compared with all others before."""
    return Concept(name, of, Sees.ANYWHERE, depth=2, numeric=numeric)


def _once(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
    return inputs.letter & (Alike.of(inputs).in_all(inputs.letter) == 1)


def _before(inputs: Inputs) -> Codes:
    once = _once(inputs).long()
    return once.cumsum(1) - once


def _total(inputs: Inputs) -> Codes:
    return everywhere(_once(inputs).sum(1, keepdim=True), inputs)


def _first_here(inputs: Inputs) -> Codes:
    return (_once(inputs) & (_before(inputs) == 0)).long()


def _first(inputs: Inputs) -> Codes:
    """UNSEEN if there is none."""
    once = _once(inputs)
    place = once.long().argmax(1, keepdim=True)
    letter = torch.where(once.any(1, keepdim=True), inputs.tokens.gather(1, place), UNSEEN)
    return everywhere(letter, inputs)
