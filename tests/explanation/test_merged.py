from __future__ import annotations

import torch

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs, Language
from algoscope.explanation.merged import grouped, merged

LANGUAGE = Language(("a", "b"), None, (), (0, 1), ordered=False, shifted=False, causal=True)


def inputs(*rows: list[int]) -> Inputs:
    tokens = torch.tensor(rows)
    return Inputs(tokens, torch.zeros_like(tokens), LANGUAGE)


def number(numeric: bool) -> Concept:
    return Concept("x", lambda inputs: inputs.tokens, numeric=numeric)


def test_each_number_becomes_its_class():
    coarse = merged(number(False), {1: 0, 4: 1, 7: 0})
    assert coarse.of(inputs([1, 4, 7])).tolist() == [[0, 1, 0]]
    assert coarse.price == 2


def test_a_number_without_a_class_is_one_of_its_own():
    found = merged(number(False), {1: 0, 4: 1}).of(inputs([5, 5, 6, 1]))[0].tolist()
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_quantity_without_a_class_goes_with_the_nearest():
    coarse = merged(number(True), {0: 0, 1: 1, 5: 2})
    assert coarse.of(inputs([-3, 0, 2, 4, 9])).tolist() == [[0, 0, 1, 2, 2]]


def test_groups_of_a_quantity_are_spelt_out():
    assert grouped(number(True), {0: 0, 1: 1, 2: 1}) == "whether x is at least 1"
    assert grouped(number(True), {0: 0, 1: 1, 2: 0}) == "whether x is 1"
    assert grouped(number(True), {0: 0, 1: 1, 2: 1, 3: 2}) == "x, in the groups 0, 1 to 2, 3 and more"
    assert grouped(number(True), {0: 0, 1: 1, 2: 0, 3: 1}) == "x, in the groups 0 or 2, 1 or 3"
    assert grouped(number(False), {0: 0, 1: 1, 2: 1}) == "which of 2 groups x is in"
