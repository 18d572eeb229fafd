"""Which of an input's mirrored pairs of letters differ, and how many?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere

MOST_PAIRS = 24
"""Pairs up to which each is a concept of its own."""


def mirrored(scope: Scope) -> list[Concept]:
    """Every concept about the pairs of places that are as far from the start as from the end.

    In a causal model a pair counts once its later place has been reached, which takes inputs of one length.
    """
    causal = scope.language.causal
    if (causal and scope.length is None) or len(scope.parts) != 1 or scope.longest < 4:
        return []
    words, sees = ("so far", Sees.BEFORE) if causal else ("in all", Sees.ANYWHERE)
    totals: list[tuple[str, Callable[[Inputs], Codes], bool]] = [
        (f"whether some mirrored pair differs {words}", lambda inputs: (_count(inputs) > 0).long(), False),
        (f"how many mirrored pairs differ {words}", _count, True),
        (f"the place of the outermost mirrored pair that differs {words}", _outermost, True),
        (f"the place of the innermost mirrored pair that differs {words}", _innermost, True),
    ]
    pairs = range(scope.longest // 2)
    if len(pairs) <= MOST_PAIRS:
        totals.append((f"which mirrored pairs differ {words}", _which, False))
    found = [Concept(name, of, sees, numeric=numeric) for name, of, numeric in totals]
    if scope.length is not None and len(pairs) <= MOST_PAIRS:
        found += [_one_pair(place, scope.length - 1 - place, sees) for place in pairs]
    return found


def _differs(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
    """At the later place of each pair of letters: whether it differs, and counts already.

    At a place behind the one that asks, it doesn't: sums up to a place leave it out.
    """
    mirror = inputs.length - 1 - inputs.place
    other = inputs.at(mirror)
    both = inputs.letter & inputs.letter.gather(1, mirror.clamp(min=0))
    return both & (other != inputs.tokens) & (mirror < inputs.place)


def _seen(codes: Codes, inputs: Inputs) -> Codes:
    """Running codes as they are in a causal model; elsewhere those of the whole input, everywhere."""
    return codes if inputs.language.causal else codes[:, -1:].expand(codes.shape)


def _count(inputs: Inputs) -> Codes:
    return _seen(_differs(inputs).cumsum(1), inputs)


def _innermost(inputs: Inputs) -> Codes:
    """The earlier place of the first pair that differs, from the middle outwards."""
    mirror = inputs.length - 1 - inputs.place
    return _seen(torch.where(_differs(inputs), mirror, UNSEEN).cummax(1).values, inputs)


def _outermost(inputs: Inputs) -> Codes:
    mirror = inputs.length - 1 - inputs.place
    lowest = torch.where(_differs(inputs), mirror, inputs.length).cummin(1).values
    return _seen(torch.where(lowest < inputs.length, lowest, UNSEEN), inputs)


def _which(inputs: Inputs) -> Codes:
    """A bit for each pair, the earlier place says which."""
    mirror = (inputs.length - 1 - inputs.place).clamp(min=0, max=MOST_PAIRS)
    return _seen((_differs(inputs).long() << mirror).cumsum(1), inputs)


def _one_pair(early: int, late: int, sees: Sees) -> Concept:
    def of(inputs: Inputs) -> Codes:
        differs = inputs.tokens[:, early, None] != inputs.tokens[:, late, None]
        codes = everywhere(differs, inputs)
        return torch.where(inputs.place >= late, codes, UNSEEN) if sees == Sees.BEFORE else codes

    return Concept(f"whether places {early} and {late} differ", of, sees)
