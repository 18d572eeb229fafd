from __future__ import annotations

import pytest


@pytest.fixture
def classes(compiled):
    """`classes(program, variable)`: the values of each class."""
    return lambda program, name: next(
        each.values for each in compiled(program).variables if each.name == name
    )


def test_a_count_is_told_apart_as_far_as_it_is_asked_for(classes):
    assert classes("histogram", "count") == ((0,), (1,), (2,), (3,), (4,), (5,))
    assert classes("count-a-modulo-3", "count of a") == ((0, 3, 6), (1, 4, 7), (2, 5))
    assert classes("a-before-b", "count of a") == ((0,), (1, 2, 3, 4, 5, 6))


def test_letters_are_told_apart_as_far_as_they_are_asked_for(classes):
    assert classes("count-a", "tokens") == (("<bos>",), ("a",), ("b", "c", "d"))
    assert classes("total-zero", "tokens") == (("(",), (")",), ("<bos>",))


def test_a_number_is_told_apart_as_far_as_what_it_becomes(classes):
    negative, zero, positive = classes("ahead-so-far", "lead of a")
    assert max(negative) < 0 < min(positive)
    assert zero == (0,)


def test_numbers_that_are_added_are_told_apart_in_full(classes):
    assert len(classes("majority", "share of a")) == 7


def test_values_that_never_meet_the_same_are_kept_apart(compiled):
    decoded = next(each for each in compiled("depth").variables if str(each) == "mean step (MLP 0)")
    assert all(len(values) == 1 for values in decoded.values)
