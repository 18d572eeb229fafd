from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.explanation.test_merged import inputs

from algoscope.explanation.concepts import Concept
from algoscope.explanation.lexicon import Lexicon, entropy, numbered


@given(st.lists(st.one_of(st.integers(-5, 5), st.sampled_from([-(2**40), 2**40])), max_size=20))
def test_numbers_are_those_of_sorted_values(codes: list[int]):
    values = sorted(set(codes))
    assert numbered(torch.tensor(codes, dtype=torch.long)).tolist() == [values.index(code) for code in codes]


def test_entropy_is_in_bits():
    assert entropy(torch.tensor([0, 0, 1, 1])) == pytest.approx(1)
    assert entropy(torch.tensor([0, 0, 0, 0])) == pytest.approx(0)


def lexicon() -> Lexicon:
    token = Concept("token", lambda inputs: inputs.tokens, depth=0)
    turned = Concept("turned", lambda inputs: 5 - inputs.tokens, depth=0)
    place = Concept("place", lambda inputs: inputs.place.expand_as(inputs.tokens))
    deep = Concept("deep", lambda inputs: inputs.tokens % 2, depth=2)
    answer = Concept("answer", lambda inputs: inputs.tokens, answer=True)
    return Lexicon.of([token, turned, place, deep, answer], inputs([0, 1, 2], [2, 0, 0]))


def test_concepts_together_are_told_apart_where_one_of_them_is():
    mine = lexicon()
    where = torch.tensor([[True, True, False], [True, True, True]])
    assert mine.together((), where).tolist() == [0, 0, 0, 0, 0]
    assert mine.together((0,), where).tolist() == [0, 1, 2, 0, 0]
    assert len(mine.together((0, 2), where).unique()) == 5
    assert len(mine.together((2, 3), where).unique()) == 4


def test_concepts_that_say_the_same_are_found():
    mine = lexicon()
    where = torch.ones(2, 3, dtype=torch.bool)
    assert mine.telling(torch.tensor([7, 3, 5, 5, 7, 7]), where) == [0, 1, 4]
    assert mine.telling(torch.tensor([0, 1, 0, 0, 0, 0]), where) == [3]
    assert mine.telling(torch.tensor([0, 1, 0, 0, 0, 1]), where) == []


def test_a_part_knows_no_answers_and_nothing_too_deep():
    from algoscope.model.component import Component

    assert lexicon().known(Component.parse("0.0")) == [0, 1, 2]
    assert lexicon().known(Component.parse("1.0")) == [0, 1, 2, 3]


def test_what_is_added_can_be_told_as_finely_as_what_it_is_made_of():
    mine = lexicon()
    number = mine.add(Concept("whether token is 0", lambda inputs: (inputs.tokens == 0).long()), (0, 2))
    assert mine.at(number, torch.ones(2, 3, dtype=torch.bool)).tolist() == [1, 0, 0, 0, 1, 1]
    assert mine.finer((3, number)) == (0, 2, 3)
