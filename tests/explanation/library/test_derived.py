from __future__ import annotations

import torch
from tests.explanation.library.languages import CASES

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.library.derived import remainders, sign

NUMBERS = torch.tensor([[-3, -1, 0, 1, 4]])
QUANTITY = Concept("the number", lambda inputs: NUMBERS, Sees.ANYWHERE, depth=2, numeric=True)
INPUTS = CASES["letters"].inputs


def test_the_sign_is_minus_one_zero_or_one():
    assert sign(QUANTITY).of(INPUTS).tolist() == [[-1, -1, 0, 1, 1]]


def test_remainders_are_never_negative():
    parity, third = remainders(QUANTITY, (2, 3))
    assert parity.of(INPUTS).tolist() == [[1, 1, 0, 1, 0]]
    assert third.of(INPUTS).tolist() == [[0, 2, 0, 1, 1]]


def test_what_is_derived_costs_one_more_and_sees_as_much():
    for concept in (sign(QUANTITY), *remainders(QUANTITY, (2, 5))):
        assert (concept.price, concept.sees, concept.depth) == (2, Sees.ANYWHERE, 2)
        assert not concept.numeric


def test_names_say_what_is_done_to_which_number():
    names = [concept.name for concept in (sign(QUANTITY), *remainders(QUANTITY, (2, 5)))]
    assert names == ["the sign of the number", "the parity of the number", "the number, modulo 5"]
