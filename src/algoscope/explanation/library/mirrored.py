"""Which mirrored pairs of an input's letters differ, and how many?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import mirror
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere, once_seen

MOST_PAIRS = 24
"""Pairs up to which each is a concept of its own."""

Of = Callable[[Inputs], Codes]


def mirrored(scope: Scope) -> list[Concept]:
    """Every concept about pairs of letters as far from the start as from the end.

    In a causal model a pair counts once its later place has been reached, which takes inputs of one shape.
    """
    causal = scope.language.causal
    letters = scope.longest - len(scope.language.anchors)
    if (causal and not scope.fixed) or len(scope.parts) != 1 or letters < 2:
        return []
    words, sees = ("so far", Sees.BEFORE) if causal else ("in all", Sees.ANYWHERE)
    quantities: list[tuple[str, Of]] = [
        ("how many mirrored pairs differ", _count),
        ("the earlier place of the outermost mirrored pair that differs", _outermost),
        ("the earlier place of the innermost mirrored pair that differs", _innermost),
    ]
    found = [Concept(f"whether some mirrored pair differs {words}", _some, sees, depth=2)]
    found += [Concept(f"{name} {words}", of, sees, depth=2, numeric=True) for name, of in quantities]
    if letters // 2 <= MOST_PAIRS:
        found.append(Concept(f"which mirrored pairs differ {words}", _which(scope.start), sees, depth=2))
        found += _single_pairs(scope)
    return found


def _differs(inputs: Inputs) -> Bool[Tensor, "batch seq"]:
    """At the later of two mirrored letters, whether they differ."""
    there = mirror(inputs)
    return inputs.letter & (there < inputs.place) & (inputs.at(there) != inputs.tokens)


def _told(running: Codes, inputs: Inputs) -> Codes:
    """What a causal model knows; another knows at each place what the last place tells."""
    return running if inputs.language.causal else running[:, -1:].expand(running.shape)


def _count(inputs: Inputs) -> Codes:
    return _told(_differs(inputs).long().cumsum(1), inputs)


def _some(inputs: Inputs) -> Codes:
    return (_count(inputs) > 0).long()


def _innermost(inputs: Inputs) -> Codes:
    return _told(torch.where(_differs(inputs), mirror(inputs), UNSEEN).cummax(1).values, inputs)


def _outermost(inputs: Inputs) -> Codes:
    none = inputs.tokens.shape[1]
    lowest = torch.where(_differs(inputs), mirror(inputs), none).cummin(1).values
    return _told(torch.where(lowest < none, lowest, UNSEEN), inputs)


def _which(start: int) -> Of:
    """A bit for each pair, that of the outermost first."""

    def of(inputs: Inputs) -> Codes:
        bit = (mirror(inputs) - start).clamp(0, MOST_PAIRS)
        return _told((_differs(inputs).long() << bit).cumsum(1), inputs)

    return of


def _single_pairs(scope: Scope) -> list[Concept]:
    """Where pairs stand at the same places in all inputs."""
    if not scope.fixed:
        return []
    count = scope.longest - len(scope.language.anchors)
    last = scope.start + count - 1
    return [_pair(scope.start + index, last - index, scope.reach) for index in range(count // 2)]


def _pair(early: int, late: int, sees: Sees) -> Concept:
    def of(inputs: Inputs) -> Codes:
        codes = everywhere(inputs.tokens[:, early, None] != inputs.tokens[:, late, None], inputs)
        places = inputs.place * 0 + late
        return once_seen(codes, places, inputs) if sees is Sees.BEFORE else codes

    return Concept(f"whether places {early} and {late} differ", of, sees)
