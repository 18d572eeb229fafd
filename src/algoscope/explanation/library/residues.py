"""How many of a letter are there at even places, at every third place, at places like this one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.counts import counted, differing
from algoscope.explanation.library.derived import remainders, sign
from algoscope.explanation.library.scope import Scope
from algoscope.explanation.library.shares import informative, share_among_letters
from algoscope.explanation.library.stretches import Stretch, Weights, main_stretches

MODULI = (2, 3)


@dataclass(frozen=True)
class Numbering:
    """A way to number the places."""

    words: str
    number: Callable[[Inputs], Codes]


def residues(scope: Scope) -> list[Concept]:
    """Counts, shares and differences of counts among the places that leave one remainder."""
    found = []
    for stretch in _classes(scope):
        for letter in scope.very_few:
            count = counted(letter, stretch, scope)
            # Parities of parts of a longer input are too many to offer.
            found += [count, *remainders(count, (2,) if len(scope.parts) == 1 else ())]
        found += [share_among_letters(letter, stretch, scope) for letter in informative(scope) if scope.pairs]
        for pair in scope.pairs:
            difference = differing(pair, stretch, scope)
            found += [difference, sign(difference)]
    return found


def _numberings(scope: Scope) -> list[Numbering]:
    within = Numbering("place in the part", lambda inputs: inputs.since_anchor)
    place = Numbering("place", lambda inputs: inputs.place)
    position = Numbering("position", lambda inputs: inputs.position_ids)
    return [within if len(scope.parts) > 1 else place, *([position] if scope.language.shifted else [])]


def _classes(scope: Scope) -> list[Stretch]:
    """Each stretch, cut down to a class of places: a fixed one, that of this place, that of the next."""
    return [
        cut
        for stretch in main_stretches(scope)
        for numbering in _numberings(scope)
        for modulus in MODULI
        for cut in (
            *(_fixed(stretch, numbering, modulus, residue) for residue in range(modulus)),
            _moving(stretch, numbering, modulus, 0),
            _moving(stretch, numbering, modulus, 1),
        )
    ]


def _fixed(stretch: Stretch, numbering: Numbering, modulus: int, residue: int) -> Stretch:
    def count(inputs: Inputs, weights: Weights) -> Codes:
        return stretch.count(inputs, weights * (_class(numbering, inputs, modulus) == residue))

    words = f"{stretch.words} where the {numbering.words} is {residue} modulo {modulus}"
    return Stretch(words, count, stretch.sees)


def _moving(stretch: Stretch, numbering: Numbering, modulus: int, ahead: int) -> Stretch:
    """The class of this place, or of the one `ahead` of it."""

    def count(inputs: Inputs, weights: Weights) -> Codes:
        classes = _class(numbering, inputs, modulus)
        found = torch.zeros_like(weights)
        for residue in range(modulus):
            here = classes == (residue - ahead) % modulus
            found = torch.where(here, stretch.count(inputs, weights * (classes == residue)), found)
        return found

    which = "the next place" if ahead else "this place"
    words = f"{stretch.words} where the {numbering.words} is that of {which} modulo {modulus}"
    return Stretch(words, count, stretch.sees)


def _class(numbering: Numbering, inputs: Inputs, modulus: int) -> Codes:
    # Places are never negative, and fmod is three times as fast as %.
    return torch.fmod(numbering.number(inputs), modulus)
