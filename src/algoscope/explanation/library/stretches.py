"""How much of an input something is counted over: so far, in a part, in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import Scope

Hits = Bool[Tensor, "batch seq"]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some of the places of an input, as seen from each of its places."""

    words: str
    count: Callable[[Inputs, Hits], Codes]
    """How many of these hits are among them."""
    sees: Sees = Sees.BEFORE


def stretches(scope: Scope) -> list[Stretch]:
    """The stretches that differ in this language; those ahead only where positions see ahead."""
    found = [Stretch("so far", so_far)]
    if len(scope.parts) > 1:
        found += [Stretch("so far in this part", in_this_part)]
        found += [Stretch(f"so far in {scope.part(part)}", in_part(part)) for part in scope.parts]
    if not scope.language.causal:
        found += [
            Stretch("in all", in_all, Sees.ANYWHERE),
            Stretch("from here on", from_here, Sees.ANYWHERE),
        ]
    return found


def so_far(inputs: Inputs, hits: Hits) -> Codes:
    """How many hits there are up to each place, that place included."""
    return hits.cumsum(1)


def in_this_part(inputs: Inputs, hits: Hits) -> Codes:
    """How many hits there are from the last anchor up to each place, both included."""
    total = hits.cumsum(1)
    return total - (total - hits.long()).gather(1, inputs.place - inputs.since_anchor)


def in_part(part: int) -> Callable[[Inputs, Hits], Codes]:
    """How many hits there are up to each place in one part of the input."""
    return lambda inputs, hits: (hits & (inputs.segment == part)).cumsum(1)


def in_all(inputs: Inputs, hits: Hits) -> Codes:
    """How many hits there are in the input."""
    return hits.sum(1, keepdim=True).expand(hits.shape)


def from_here(inputs: Inputs, hits: Hits) -> Codes:
    """How many hits there are from each place to the end, that place included."""
    total = hits.cumsum(1)
    return total[:, -1:] - total + hits.long()
