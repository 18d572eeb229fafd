"""Which token is here, and at places that are counted from here, from the start, an anchor, or the end?"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import Scope, once_seen

NEAR = 4
"""Offsets, and places counted from either end, in an input that is long."""
SHORT = 24
"""The longest input of which each place is offered."""

Places = Callable[[Inputs], Int[Tensor, "batch seq"]]
"""For each place of each input, the place that is looked at from there."""


def tokens(scope: Scope) -> list[Concept]:
    """Every concept that is the token at a place, or compares it with the token here."""
    numbers = scope.language.ordered
    found = [Concept("the token here", lambda inputs: inputs.tokens, Sees.HERE, depth=0, numeric=numbers)]
    for offset in range(1, NEAR + 1):
        before = _near(-offset)
        found += [
            _looked_up(f"the token {_before(offset)}", before, Sees.BEFORE, numeric=numbers),
            _same(f"whether the token here is also {_before(offset)}", before, Sees.BEFORE),
        ]
        if not scope.language.causal:
            found.append(
                _looked_up(f"the token {_after(offset)}", _near(offset), Sees.ANYWHERE, numeric=numbers)
            )
    return found + _from_start(scope) + _from_anchors(scope) + _from_end(scope) + _mirrored(scope)


def _before(offset: int) -> str:
    return "one place back" if offset == 1 else f"{offset} places back"


def _after(offset: int) -> str:
    return "one place ahead" if offset == 1 else f"{offset} places ahead"


def _near(offset: int) -> Places:
    return lambda inputs: inputs.place + offset


def _looked_up(name: str, places: Places, sees: Sees, depth: int = 1, numeric: bool = False) -> Concept:
    """The token there; for a concept that sees only what came before, once it has come."""

    def of(inputs: Inputs) -> Int[Tensor, "batch seq"]:
        there = places(inputs).expand(inputs.tokens.shape)
        found = inputs.at(there)
        return once_seen(found, there, inputs) if sees == Sees.BEFORE else found

    return Concept(name, of, sees, depth, numeric=numeric)


def _same(name: str, places: Places, sees: Sees, depth: int = 1) -> Concept:
    """1 where the tokens are the same, 0 where not, UNSEEN where that is not known yet."""

    def of(inputs: Inputs) -> Int[Tensor, "batch seq"]:
        there = places(inputs).expand(inputs.tokens.shape)
        same = (inputs.at(there) == inputs.tokens).long()
        return once_seen(same, there, inputs) if sees == Sees.BEFORE else same

    return Concept(name, of, sees, depth)


def _fixed(place: int) -> Places:
    return lambda inputs: inputs.place * 0 + place


def _behind(anchor: int, offset: int) -> Places:
    return lambda inputs: inputs.anchor(anchor) + offset


def _back(offset: int) -> Places:
    return lambda inputs: inputs.length - offset


def _reach(scope: Scope) -> Sees:
    """How much is seen of a place that may lie ahead: in a causal model, it counts once it is seen."""
    return Sees.BEFORE if scope.language.causal else Sees.ANYWHERE


def _from_start(scope: Scope) -> list[Concept]:
    count, near = scope.longest, NEAR + 1
    places = range(count) if count <= SHORT else [*range(near), *_last(scope, near)]
    return [
        _looked_up(
            f"the token at place {place}", _fixed(place), _reach(scope), numeric=scope.language.ordered
        )
        for place in places
    ]


def _last(scope: Scope, near: int) -> list[int]:
    """The last places, where they are the same in every input."""
    return [] if scope.length is None else list(range(max(near, scope.length - near), scope.length))


def _from_anchors(scope: Scope) -> list[Concept]:
    """Letters around the anchors that are not at a fixed place already."""
    if scope.length is not None and scope.length <= SHORT:
        return []
    found = []
    for anchor in scope.language.anchors[1:]:
        word = scope.word(anchor)
        for offset in range(1, NEAR + 1):
            back = f"the token {_before(offset)} from {word}"
            found.append(_looked_up(back, _behind(anchor, -offset), _reach(scope)))
            ahead = f"the token {_after(offset)} of {word}"
            found.append(_looked_up(ahead, _behind(anchor, offset), _reach(scope)))
    return found


def _from_end(scope: Scope) -> list[Concept]:
    if scope.length is not None or scope.language.causal:
        return []
    names = [
        "the last token",
        *(f"the token {_before(offset)} from the last" for offset in range(1, NEAR + 1)),
    ]
    return [_looked_up(name, _back(1 + offset), Sees.ANYWHERE) for offset, name in enumerate(names)]


def _mirror(shift: int) -> Places:
    return lambda inputs: inputs.length - 1 - inputs.place + shift


def _mirrored(scope: Scope) -> list[Concept]:
    """Where the mirror is known: the length is the same for all, or the model sees it."""
    if scope.length is None and scope.language.causal:
        return []
    sees = _reach(scope)
    found = [
        _looked_up(f"the token {words} the mirror image of this place", _mirror(shift), sees)
        for shift, words in ((-1, "one place back from"), (0, "at"), (1, "one place ahead of"))
    ]
    return [*found, _same("whether the token here is also at its mirror image", _mirror(0), sees)]
