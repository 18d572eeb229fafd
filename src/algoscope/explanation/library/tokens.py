"""Which token is here, and which at places counted from here, from the start, an anchor, or the end?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import mirror
from algoscope.explanation.library.scope import Scope, once_seen

NEAR = 4
"""How far back and ahead single places are offered, from here and from anchors."""
SHORT = 24
"""The longest input of which each place is offered."""

Places = Callable[[Inputs], Int[Tensor, "batch seq"]]
"""For each place of each input, the place that is looked at from there."""


def tokens(scope: Scope) -> list[Concept]:
    """Every concept that is the token at a place, or compares it with the token here."""
    numbers = scope.language.ordered
    here = Concept("the token here", lambda inputs: inputs.tokens, Sees.HERE, depth=0, numeric=numbers)
    return [
        here,
        *_near(scope),
        *_from_start(scope),
        *_from_anchors(scope),
        *_from_end(scope),
        *_mirrored(scope),
    ]


def token_at(
    name: str, places: Places, scope: Scope, sees: Sees, depth: int = 1, told: Places | None = None
) -> Concept:
    """The token there; for a concept that sees only what came before, once it has come.

    `told` is the place that says where to look, if that is another.
    """

    def of(inputs: Inputs) -> Codes:
        there = places(inputs).expand(inputs.tokens.shape)
        return _once(inputs.at(there), there, told, inputs, sees)

    return Concept(f"the token {name}", of, sees, depth, numeric=scope.language.ordered)


def same_at(name: str, places: Places, sees: Sees, depth: int = 1, told: Places | None = None) -> Concept:
    """1 where the tokens here and there are the same, 0 where not, UNSEEN where that is not known yet."""

    def of(inputs: Inputs) -> Codes:
        there = places(inputs).expand(inputs.tokens.shape)
        return _once((inputs.at(there) == inputs.tokens).long(), there, told, inputs, sees)

    return Concept(f"whether the token here is that {name}", of, sees, depth)


def _once(codes: Codes, there: Codes, told: Places | None, inputs: Inputs, sees: Sees) -> Codes:
    if sees is not Sees.BEFORE:
        return codes
    return once_seen(codes, there if told is None else torch.maximum(there, told(inputs)), inputs)


def _back(offset: int) -> str:
    return "one place back" if offset == 1 else f"{offset} places back"


def _ahead(offset: int) -> str:
    return "one place ahead" if offset == 1 else f"{offset} places ahead"


def _near(scope: Scope) -> list[Concept]:
    found = []
    for offset in range(1, NEAR + 1):
        found += [
            token_at(_back(offset), _shifted(-offset), scope, Sees.BEFORE),
            same_at(_back(offset), _shifted(-offset), Sees.BEFORE),
        ]
        if not scope.language.causal:
            found.append(token_at(_ahead(offset), _shifted(offset), scope, Sees.ANYWHERE))
    return found


def _shifted(offset: int) -> Places:
    return lambda inputs: inputs.place + offset


def _from_start(scope: Scope) -> list[Concept]:
    first = range(scope.start, min(scope.longest, scope.start + NEAR))
    fixed = scope.length or 0
    places = (
        range(scope.start, scope.longest)
        if scope.longest <= SHORT
        else [*first, *range(max(scope.start + NEAR, fixed - NEAR - 1), fixed)]
    )
    compared = range(scope.start, min(scope.longest, scope.start + 2))
    return [
        *(token_at(f"at place {place}", _place(place), scope, scope.reach) for place in places),
        *(same_at(f"at place {place}", _place(place), scope.reach) for place in compared),
    ]


def _place(place: int) -> Places:
    return lambda inputs: inputs.place * 0 + place


def _from_anchors(scope: Scope) -> list[Concept]:
    """Letters around the anchors behind the start, unless they stand at places that are offered already."""
    if scope.fixed and scope.longest <= SHORT:
        return []
    found = []
    for part, anchor in enumerate(scope.language.anchors):
        back = [-offset for offset in range(1, NEAR + 1) if part in scope.ended]
        ahead = [offset for offset in range(1, NEAR + 1) if part and part + 1 in scope.parts]
        for shift in (*back, *ahead):
            words = f"{_ahead(shift)} of" if shift > 0 else f"{_back(-shift)} from"
            name, places, depth = f"{words} {scope.word(anchor)}", _by(anchor, shift), scope.relative_depth
            found.append(token_at(name, places, scope, scope.reach, depth, told=_by(anchor, 0)))
            if abs(shift) <= 2:
                found.append(same_at(name, places, scope.reach, depth, told=_by(anchor, 0)))
    return found


def _by(anchor: int, shift: int) -> Places:
    return lambda inputs: inputs.anchor(anchor) + shift


def _from_end(scope: Scope) -> list[Concept]:
    if scope.length is not None or scope.language.causal:
        return []
    names = ["at the last place", *(f"{_back(offset)} from the last place" for offset in range(1, NEAR + 1))]
    return [token_at(name, _last(offset), scope, Sees.ANYWHERE) for offset, name in enumerate(names)]


def _last(offset: int) -> Places:
    return lambda inputs: inputs.length - 1 - offset


def _mirrored(scope: Scope) -> list[Concept]:
    """Where the mirror is known: all inputs have one shape, or the model sees where they end."""
    if scope.language.causal and not scope.fixed:
        return []
    depth = 1 if scope.fixed else 2
    found = [
        token_at(f"{words} the mirror image of this place", _mirror(shift), scope, scope.reach, depth)
        for shift, words in ((-1, "one place back from"), (0, "at"), (1, "one place ahead of"))
    ]
    return [*found, same_at("at the mirror image of this place", _mirror(0), scope.reach, depth)]


def _mirror(shift: int) -> Places:
    return lambda inputs: mirror(inputs) + shift
