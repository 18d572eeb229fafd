"""Where is this place: from the start, from the last anchor, from the end?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import NOWHERE, anchor_before, last_anchor
from algoscope.explanation.library.scope import UNSEEN, Scope, everywhere, once_seen, remainders

MODULI = (2, 3, 4)


def places(scope: Scope) -> list[Concept]:
    """Every concept that tells a place, or how long an input or a part of it is."""
    found = [
        Concept("the place", _place, scope.place_sees, scope.place_depth, numeric=True),
        *_shifted(scope),
        *_from_anchor(scope),
        *_ahead(scope),
        *_anchor_places(scope),
    ]
    kind = Concept("whether a letter is here", lambda inputs: inputs.letter.long(), Sees.HERE, depth=0)
    return [
        *found,
        *(rest for concept in found if concept.numeric for rest in remainders(concept, MODULI)),
        kind,
    ]


def _place(inputs: Inputs) -> Codes:
    return inputs.place.expand(inputs.tokens.shape)


def _shifted(scope: Scope) -> list[Concept]:
    if not scope.language.shifted:
        return []
    return [
        Concept("the position", lambda inputs: inputs.position_ids, Sees.HERE, depth=0, numeric=True),
        Concept(
            "the position of the start",
            lambda inputs: everywhere(inputs.position_ids[:, :1], inputs),
            numeric=True,
        ),
    ]


def _from_anchor(scope: Scope) -> list[Concept]:
    """Where there is more than one part with letters, which part this is, and where in it."""
    if len(scope.language.anchors) < 2:
        return []
    found = [
        Concept("how many anchors have been passed", lambda inputs: inputs.segment),
        Concept(
            "whether this is the first place of its part", lambda inputs: (inputs.since_anchor == 1).long()
        ),
    ]
    if len(scope.parts) > 1:
        found.append(Concept("the place in this part", lambda inputs: inputs.since_anchor, numeric=True))
    if not scope.language.causal:
        found.append(Concept("whether this is the last place of its part", _last, Sees.ANYWHERE))
    return found


def _last(inputs: Inputs) -> Codes:
    """1 before an anchor and at the end of the input, but not at an anchor."""
    following = inputs.at(inputs.place.expand(inputs.tokens.shape) + 1)
    others = torch.tensor([*inputs.language.anchors, inputs.language.size], device=following.device)
    return (inputs.letter & torch.isin(following, others)).long()


def _ahead(scope: Scope) -> list[Concept]:
    if scope.length is not None or scope.language.causal:
        return []
    return [
        Concept(
            "how many places follow",
            lambda inputs: inputs.length - 1 - inputs.place,
            Sees.ANYWHERE,
            numeric=True,
        ),
        Concept("the length", lambda inputs: everywhere(inputs.length, inputs), Sees.ANYWHERE, numeric=True),
    ]


def _anchor_places(scope: Scope) -> list[Concept]:
    """How long the parts are that an anchor ends, and how many places of the next are left if it is as long."""
    if scope.length is not None and scope.length <= 4:
        return []
    sees = Sees.BEFORE if scope.language.causal else Sees.ANYWHERE
    anchors = scope.language.anchors
    found = []
    for start, anchor in zip([None, *anchors], anchors, strict=False):
        part = f"the part before {scope.word(anchor)}"
        if start is None:
            if 0 in scope.parts:
                found.append(Concept(f"how long {part} is", _long(None, anchor, sees), sees, numeric=True))
            continue
        found.append(Concept(f"how long {part} is", _long(start, anchor, sees), sees, numeric=True))
    if len(scope.parts) > 1:
        name = "how much shorter this part is so far than the one before"
        found.append(Concept(name, _left, Sees.BEFORE, scope.relative_depth, numeric=True))
    return found


def _long(start: int | None, anchor: int, sees: Sees) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        end = inputs.anchor(anchor)
        begin = end * 0 - 1 if start is None else inputs.anchor(start)
        codes = everywhere(end - begin - 1, inputs)
        return once_seen(codes, end, inputs) if sees == Sees.BEFORE else codes

    return of


def _left(inputs: Inputs) -> Codes:
    """Letters of the part before the last anchor, minus places since that anchor; UNSEEN without such a part."""
    last, before = last_anchor(inputs), anchor_before(inputs)
    return torch.where(before == NOWHERE, UNSEEN, (last - before - 1) - (inputs.place - last))
