"""Where did a letter stand first and last, was it there at all, does it come again?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope
from algoscope.explanation.library.stretches import BEFORE_HERE, Stretch, main_stretches

Of = Callable[[Inputs], Codes]


def letters(scope: Scope) -> list[Concept]:
    """Every concept that tells where one letter occurs."""
    return [concept for letter in scope.few for concept in _of(scope, letter)]


def _of(scope: Scope, letter: int) -> list[Concept]:
    word = scope.word(letter)
    found = [
        Concept(f"whether {word} is here", _is(letter, 0), Sees.HERE, depth=0),
        Concept(f"whether {word} is one place back", _is(letter, -1)),
        Concept(f"whether the first {word} is one place back", _first_back(letter), depth=2),
        Concept(f"how far back the last {word} is", _since(letter), numeric=True),
        Concept(f"the place of the last {word} so far", _latest(letter), numeric=True),
        Concept(f"the place of the first {word} so far", _first(letter), numeric=True),
        Concept(f"how many letters stand before the first {word} so far", _leading(letter), numeric=True),
        Concept(f"the token behind the first {word} so far", _behind_first(letter), depth=2),
        *(_any(word, letter, stretch) for stretch in (*main_stretches(scope), BEFORE_HERE)),
    ]
    if scope.language.causal:
        return found
    return [
        *found,
        Concept(f"whether {word} is one place ahead", _is(letter, 1), Sees.ANYWHERE),
        Concept(f"the place of the first {word}", _at_end(_first(letter)), Sees.ANYWHERE, numeric=True),
        Concept(f"the place of the last {word}", _at_end(_latest(letter)), Sees.ANYWHERE, numeric=True),
        Concept(
            f"how many letters stand before the first {word}",
            _at_end(_leading(letter)),
            Sees.ANYWHERE,
            numeric=True,
        ),
        Concept(f"whether {word} comes later", _later(letter), Sees.ANYWHERE),
    ]


def _is(letter: int, offset: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        places = (inputs.place + offset).expand(inputs.tokens.shape)
        return (inputs.at(places) == letter).long()

    return of


def _first_back(letter: int) -> Of:
    return lambda inputs: ((inputs.place > 0) & (_first(letter)(inputs) == inputs.place - 1)).long()


def _any(word: str, letter: int, stretch: Stretch) -> Concept:
    def of(inputs: Inputs) -> Codes:
        return (stretch.count(inputs, (inputs.tokens == letter).long()) > 0).long()

    return Concept(f"whether there is {word} {stretch.words}", of, stretch.sees)


def _latest(letter: int) -> Of:
    return lambda inputs: torch.where(inputs.tokens == letter, inputs.place, UNSEEN).cummax(1).values


def _since(letter: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        latest = _latest(letter)(inputs)
        return torch.where(latest >= 0, inputs.place - latest, UNSEEN)

    return of


def _first(letter: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        behind_all = inputs.tokens.shape[1]
        first = torch.where(inputs.tokens == letter, inputs.place, behind_all).cummin(1).values
        return torch.where(first < behind_all, first, UNSEEN)

    return of


def _leading(letter: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        none_yet = (inputs.tokens == letter).long().cumsum(1) == 0
        return (inputs.letter & none_yet).long().cumsum(1)

    return of


def _behind_first(letter: int) -> Of:
    """UNSEEN until there is one."""

    def of(inputs: Inputs) -> Codes:
        first = _first(letter)(inputs)
        known = (first >= 0) & (first < inputs.place)
        return torch.where(known, inputs.at(first + 1), UNSEEN)

    return of


def _at_end(of: Of) -> Of:
    """What it is once the whole input has been seen, at each place."""
    return lambda inputs: of(inputs)[:, -1:].expand(inputs.tokens.shape)


def _later(letter: int) -> Of:
    def of(inputs: Inputs) -> Codes:
        total = (inputs.tokens == letter).long().cumsum(1)
        return (total < total[:, -1:]).long()

    return of
