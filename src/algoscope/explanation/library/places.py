"""Where is this place: from the start, from the last anchor, from the end?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.derived import remainders, steps
from algoscope.explanation.library.parts import NOWHERE, anchor_before, last_anchor, next_anchor
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere, once_seen

MODULI = (2, 3, 4)
STEPS = (4, 8, 16)
LONG = 24
"""Letters from which a place may be known roughly."""


def places(scope: Scope) -> list[Concept]:
    """Every concept that tells a place, or how long an input or a part of it is."""
    quantities = [*_from_start(scope), *_in_part(scope), *_ahead(scope), *_lengths(scope)]
    derived = [rest for quantity in quantities for rest in remainders(quantity, MODULI)]
    roughly = quantities if scope.longest > LONG else []
    rough = [step for quantity in roughly for step in steps(quantity, STEPS)]
    return [*quantities, *derived, *rough, *_left_over(scope), *_kinds(scope)]


def _quantity(name: str, of: Callable[[Inputs], Codes], sees: Sees = Sees.BEFORE, depth: int = 1) -> Concept:
    return Concept(name, of, sees, depth, numeric=True)


def _from_start(scope: Scope) -> list[Concept]:
    """The place, known from its embedding unless that begins elsewhere in each input."""
    if not scope.language.shifted:
        return [_quantity("the place", _place, Sees.HERE, depth=0)]
    return [
        _quantity("the position", lambda inputs: inputs.position_ids, Sees.HERE, depth=0),
        _quantity("the place", _place),
        _quantity("the position of the start", lambda inputs: everywhere(inputs.position_ids[:, :1], inputs)),
    ]


def _place(inputs: Inputs) -> Codes:
    return inputs.place.expand(inputs.tokens.shape)


def _in_part(scope: Scope) -> list[Concept]:
    if len(scope.parts) < 2:
        return []
    return [_quantity("the place in this part", lambda inputs: inputs.since_anchor)]


def _left_over(scope: Scope) -> list[Concept]:
    if len(scope.parts) < 2:
        return []
    name = "how many more letters the part before has than this one so far"
    return [_quantity(name, _left, depth=scope.relative_depth)]


def _left(inputs: Inputs) -> Codes:
    """Letters of the part before the last anchor, minus those since; UNSEEN without a part before."""
    last, before = last_anchor(inputs), anchor_before(inputs)
    return torch.where(before == NOWHERE, UNSEEN, (last - before - 1) - (inputs.place - last))


def _ahead(scope: Scope) -> list[Concept]:
    if scope.length is not None or scope.language.causal:
        return []
    return [
        _quantity("how many places follow", lambda inputs: inputs.length - 1 - inputs.place, Sees.ANYWHERE),
        _quantity("the length", lambda inputs: everywhere(inputs.length, inputs), Sees.ANYWHERE),
    ]


def _lengths(scope: Scope) -> list[Concept]:
    """How many letters each part has that an anchor ends, if that differs, and letters still come."""
    if scope.fixed:
        return []
    anchors = scope.language.anchors
    return [
        _quantity(f"how long {scope.before(anchor)} is", _long(start, anchor, scope.reach), scope.reach)
        for part, (start, anchor) in enumerate(zip((None, *anchors[:-1]), anchors, strict=True))
        if part in scope.ended
    ]


def _long(start: int | None, end: int, sees: Sees) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        stop = inputs.anchor(end)
        begin = -1 if start is None else inputs.anchor(start)
        codes = everywhere(stop - begin - 1, inputs)
        return once_seen(codes, stop, inputs) if sees is Sees.BEFORE else codes

    return of


def _kinds(scope: Scope) -> list[Concept]:
    """Letter or anchor, which part, first or last of it."""
    letter = Concept("whether a letter is here", lambda inputs: inputs.letter.long(), Sees.HERE, depth=0)
    if not scope.language.anchors:
        return []
    first = Concept("whether this is the first letter of its part", lambda inputs: _first(inputs))
    passed = Concept("how many anchors have been passed", lambda inputs: inputs.segment)
    last = Concept("whether this is the last letter of its part", _last, Sees.ANYWHERE)
    found = [letter, first]
    if len(scope.language.anchors) > 1:
        found.append(passed)
    return found if scope.language.causal else [*found, last]


def _first(inputs: Inputs) -> Codes:
    return (inputs.letter & (inputs.place == last_anchor(inputs) + 1)).long()


def _last(inputs: Inputs) -> Codes:
    return (inputs.letter & (inputs.place == next_anchor(inputs) - 1)).long()
