"""Pairs differ in what matters."""

from __future__ import annotations

import torch

from algoscope.stories.brackets.negative import below_zero
from algoscope.stories.brackets.nests import pairs_of_nests
from algoscope.stories.brackets.pairs import first_turned, with_balanced
from algoscope.tasks.brackets import Brackets


def test_pairs_have_one_length_and_a_balanced_partner():
    examples = Brackets().sample(400, seed=0)
    chosen, partners = with_balanced(examples, examples.labels == 0, most=50)
    assert len(chosen) == len(partners) == 50
    assert torch.equal((chosen.tokens == 1).sum(1), (partners.tokens == 1).sum(1))
    assert (chosen.labels == 0).all()
    assert (partners.labels == 1).all()
    assert len(partners.tokens.unique(dim=0)) > 20


def test_without_a_balanced_string_there_is_no_pair():
    examples = Brackets().sample(100, seed=0)
    wrong = examples[examples.labels == 0]
    assert with_balanced(wrong, wrong.labels == 0, most=5) is None
    assert first_turned(wrong, most=5) is None


def test_turning_the_first_two_brackets_breaks_a_balanced_string_and_nothing_else():
    wrong, right = first_turned(Brackets().sample(100, seed=0), most=20)
    assert (wrong.labels == 0).all()
    assert (right.labels == 1).all()
    assert torch.equal(wrong.tokens[:, 3:], right.tokens[:, 3:])
    assert wrong.tokens[:, 1:3].tolist() == [[4, 3]] * len(wrong)


def test_suffixes_below_zero_are_those_of_brackets_that_nothing_closes():
    examples = Brackets().examples(Brackets().encode(["()(", "(())"]))
    low, bracket = below_zero(examples.tokens, examples.concepts["suffix_elevation"])
    assert low[0, :5].tolist() == [False, True, False, True, False]
    assert not low[1].any()
    assert bracket.sum(1).tolist() == [3, 4]


def test_two_nests_have_one_suffix_below_zero_behind_the_first():
    strings, depths = pairs_of_nests()
    assert ("(()))(()", (2, 1)) in list(zip(strings, depths, strict=True))
    assert len(set(strings)) == len(strings) == 190
    examples = Brackets().examples(Brackets().encode(strings))
    low, _ = below_zero(examples.tokens, examples.concepts["suffix_elevation"])
    assert low.nonzero().tolist() == [[row, 2 * a + 2] for row, (a, _) in enumerate(depths)]
