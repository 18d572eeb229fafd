"""How much of an input something is counted over: so far, in a part, in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import Scope

Weights = Int[Tensor, "batch seq"]
"""What each place counts: 1 and 0, or -1 too where a difference is counted."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some of the places of an input, as seen from each of its places."""

    words: str
    count: Callable[[Inputs, Weights], Codes]
    """The sum of these weights over them."""
    sees: Sees = Sees.BEFORE


def _so_far(inputs: Inputs, weights: Weights) -> Codes:
    return weights.cumsum(1)


def _before(inputs: Inputs, weights: Weights) -> Codes:
    return weights.cumsum(1) - weights


def _in_this_part(inputs: Inputs, weights: Weights) -> Codes:
    total = weights.cumsum(1)
    return total - (total - weights).gather(1, inputs.place - inputs.since_anchor)


def _in_all(inputs: Inputs, weights: Weights) -> Codes:
    return weights.sum(1, keepdim=True).expand(weights.shape)


def _from_here(inputs: Inputs, weights: Weights) -> Codes:
    total = weights.cumsum(1)
    return total[:, -1:] - total + weights


SO_FAR = Stretch("so far", _so_far)
"""Up to each place, that place included."""
BEFORE_HERE = Stretch("before here", _before)
"""The same without that place."""
IN_THIS_PART = Stretch("so far in this part", _in_this_part)
"""From the last anchor on, up to each place, both included."""
IN_ALL = Stretch("in all", _in_all, Sees.ANYWHERE)
FROM_HERE = Stretch("from here on", _from_here, Sees.ANYWHERE)
"""From each place, that place included, to the end."""


def in_part(scope: Scope, part: int) -> Stretch:
    """Up to each place, but in one part of the input only."""
    return Stretch(
        f"so far in {scope.part(part)}",
        lambda inputs, weights: (weights * (inputs.segment == part)).cumsum(1),
    )


def main_stretches(scope: Scope) -> list[Stretch]:
    """What has been seen, each part of it but the last, and all, if what is ahead is seen too."""
    parts = [in_part(scope, part) for part in scope.parts[:-1]]
    return [SO_FAR, *parts, *_ahead(scope, IN_ALL)]


def stretches(scope: Scope) -> list[Stretch]:
    """Every stretch that differs from the others in this language."""
    last = [in_part(scope, part) for part in scope.parts[-1:] if len(scope.parts) > 1]
    this = [IN_THIS_PART] if len(scope.parts) > 1 else []
    return [*main_stretches(scope), BEFORE_HERE, *last, *this, *_ahead(scope, FROM_HERE)]


def _ahead(scope: Scope, stretch: Stretch) -> list[Stretch]:
    return [] if scope.language.causal else [stretch]


def steps(inputs: Inputs, pair: tuple[int, int]) -> Weights:
    """1 at the first letter, -1 at the second."""
    return (inputs.tokens == pair[0]).long() - (inputs.tokens == pair[1]).long()
