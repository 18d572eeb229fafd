"""Where did a letter stand last, was it there at all, and what followed it then?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.pairwise import previous
from algoscope.explanation.library.scope import UNSEEN, Scope
from algoscope.explanation.library.stretches import Stretch, stretches


def occurrences(scope: Scope) -> list[Concept]:
    """Every concept that tells where a token occurs, of each letter and of the token here."""
    found = [concept for letter in scope.few for concept in _of_letter(scope, letter)]
    found += [
        Concept("how often the token here has come in a row", _run, numeric=True),
        Concept("how far back the token here stood before", _distance, numeric=True),
        Concept("whether the token here stood before", lambda inputs: (previous(inputs) >= 0).long()),
        Concept("how many different letters so far", _different, numeric=True),
        Concept("the token after the earlier one like here", _beside(1), depth=2),
        Concept("the token before the earlier one like here", _beside(-1), depth=2),
        Concept("the token after the earlier one like here, anchors being alike", _beside(1, True), depth=2),
        Concept(
            "the token before the earlier one like here, anchors being alike", _beside(-1, True), depth=2
        ),
    ]
    return found


def _of_letter(scope: Scope, letter: int) -> list[Concept]:
    word = scope.word(letter)
    found = [
        Concept(f"how far back the last {word} is", _since(letter), numeric=True),
        Concept(f"the place of the last {word} so far", _latest(letter), numeric=True),
        Concept(f"the place of the first {word} so far", _first(letter), numeric=True),
        Concept(f"whether {word} stood before", _before(letter)),
    ]
    for stretch in stretches(scope):
        if stretch.words == "so far in this part":
            continue
        found.append(_any(f"whether there is {word} {stretch.words}", letter, stretch))
    if scope.language.causal:
        return found
    return [
        *found,
        Concept(f"the place of the first {word}", _first_of_all(letter), Sees.ANYWHERE, numeric=True),
        Concept(f"the place of the last {word}", _last_of_all(letter), Sees.ANYWHERE, numeric=True),
        Concept(f"whether {word} comes later", _after(letter), Sees.ANYWHERE),
    ]


def _any(name: str, letter: int, stretch: Stretch) -> Concept:
    return Concept(
        name, lambda inputs: (stretch.count(inputs, inputs.tokens == letter) > 0).long(), stretch.sees
    )


def _latest(letter: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        return torch.where(inputs.tokens == letter, inputs.place, UNSEEN).cummax(1).values

    return of


def _since(letter: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        latest = _latest(letter)(inputs)
        return torch.where(latest >= 0, inputs.place - latest, UNSEEN)

    return of


def _first(letter: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        hits = inputs.tokens == letter
        first = hits.int().argmax(1, keepdim=True)
        return torch.where(hits.cumsum(1) > 0, first, UNSEEN)

    return of


def _before(letter: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        hits = inputs.tokens == letter
        return (hits.cumsum(1) > hits.long()).long()

    return of


def _after(letter: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        total = (inputs.tokens == letter).cumsum(1)
        return (total < total[:, -1:]).long()

    return of


def _first_of_all(letter: int) -> Callable[[Inputs], Codes]:
    return lambda inputs: _first(letter)(inputs)[:, -1:].expand(inputs.tokens.shape)


def _last_of_all(letter: int) -> Callable[[Inputs], Codes]:
    return lambda inputs: _latest(letter)(inputs)[:, -1:].expand(inputs.tokens.shape)


def _run(inputs: Inputs) -> Codes:
    """1 at the first of a row of equal tokens."""
    changed = torch.ones_like(inputs.tokens, dtype=torch.bool)
    changed[:, 1:] = inputs.tokens[:, 1:] != inputs.tokens[:, :-1]
    return inputs.place - torch.where(changed, inputs.place, 0).cummax(1).values + 1


def _distance(inputs: Inputs) -> Codes:
    latest = previous(inputs)
    return torch.where(latest >= 0, inputs.place - latest, UNSEEN)


def _different(inputs: Inputs) -> Codes:
    return ((previous(inputs) < 0) & inputs.letter).cumsum(1)


def _beside(offset: int, anchors_alike: bool = False) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        latest = previous(inputs)
        if anchors_alike:
            latest = torch.where(inputs.letter, latest, _earlier_anchor(inputs))
        return torch.where(latest >= 0, inputs.at(latest + offset), UNSEEN)

    return of


def _earlier_anchor(inputs: Inputs) -> Codes:
    """Where the anchor before the one here stands; -1 if there is none."""
    anchor = inputs.real & ~inputs.letter
    here = torch.where(anchor, inputs.place, UNSEEN).cummax(1).values
    return torch.cat([torch.full_like(here[:, :1], UNSEEN), here[:, :-1]], 1)
