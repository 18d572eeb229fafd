"""How many of a letter are there at even places, at every third place, at places like this one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.counts import counted, differing
from algoscope.explanation.library.scope import Scope, sign
from algoscope.explanation.library.stretches import Hits, Stretch, stretches

MODULI = (2, 3)


@dataclass(frozen=True)
class Numbering:
    """A way to number the places."""

    words: str
    number: Callable[[Inputs], Codes]


def residues(scope: Scope) -> list[Concept]:
    """Counts and differences of counts within a residue class of places."""
    found = []
    for stretch in _classes(scope):
        for letter in scope.few:
            found.append(counted(f"how many {scope.word(letter)} {stretch.words}", letter, stretch))
        for one, other in scope.pairs:
            name = f"how many more {scope.word(one)} than {scope.word(other)} {stretch.words}"
            difference = differing(name, (one, other), stretch)
            found += [difference, sign(difference)]
    return found


def _numberings(scope: Scope) -> list[Numbering]:
    found = [Numbering("place", lambda inputs: inputs.place.expand(inputs.tokens.shape))]
    if len(scope.parts) > 1:
        found = [Numbering("place in the part", lambda inputs: inputs.since_anchor)]
    if scope.language.shifted:
        found.append(Numbering("position", lambda inputs: inputs.position_ids))
    return found


def _classes(scope: Scope) -> list[Stretch]:
    """Each stretch, cut down to a class of places: a fixed one, that of this place, that of the next."""
    kept = {"so far in this part", "from here on"}
    return [
        cut
        for stretch in stretches(scope)
        if stretch.words not in kept
        for numbering in _numberings(scope)
        for modulus in MODULI
        for cut in [
            *(_fixed(stretch, numbering, modulus, residue) for residue in range(modulus)),
            _moving(stretch, numbering, modulus, 0, "this"),
            _moving(stretch, numbering, modulus, 1, "the next"),
        ]
    ]


def _fixed(stretch: Stretch, numbering: Numbering, modulus: int, residue: int) -> Stretch:
    def count(inputs: Inputs, hits: Hits) -> Codes:
        return stretch.count(inputs, hits & (numbering.number(inputs) % modulus == residue))

    words = f"{stretch.words} where the {numbering.words} is {residue} modulo {modulus}"
    return Stretch(words, count, stretch.sees)


def _moving(stretch: Stretch, numbering: Numbering, modulus: int, ahead: int, which: str) -> Stretch:
    def count(inputs: Inputs, hits: Hits) -> Codes:
        classes = numbering.number(inputs) % modulus
        wanted = (classes + ahead) % modulus
        found = torch.zeros_like(inputs.tokens)
        for residue in range(modulus):
            found = torch.where(wanted == residue, stretch.count(inputs, hits & (classes == residue)), found)
        return found

    words = f"{stretch.words} where the {numbering.words} is that of {which} place modulo {modulus}"
    return Stretch(words, count, stretch.sees)
