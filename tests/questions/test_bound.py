from __future__ import annotations

import pytest

from algoscope.questions.bound import Exists, at_least, at_most, less_than, more_than


@pytest.mark.parametrize(
    ("bound", "below", "on", "above"),
    [
        (at_least(2), False, True, True),
        (more_than(2), False, False, True),
        (at_most(2), True, True, False),
        (less_than(2), True, False, False),
    ],
    ids=str,
)
def test_a_bound_judges_what_its_words_say(bound, below, on, above):
    assert (bound.holds(1.9), bound.holds(2), bound.holds(2.1)) == (below, on, above)


def test_of_a_list_each_number_or_any_one_has_to_keep_it_however_deep_it_lies():
    grid = [[0.1, 0.2], [0.3, [0.9]]]
    assert at_most(0.9).each().holds(grid)
    assert not at_most(0.8).each().holds(grid)
    assert at_least(0.9).any().holds(grid)
    assert not at_least(0.91).any().holds(grid)


def test_it_prints_its_limit_its_reach_and_its_reason():
    assert str(at_most(0.1, "a tenth").each()) == "each at most 0.1: a tenth"
    assert str(more_than(3).any()) == "at least one more than 3"
    assert str(at_least(1e-5)) == "at least 1e-05"


def test_what_is_no_number_and_nothing_at_all_are_not_judged():
    with pytest.raises(AssertionError, match="is no number"):
        at_least(1).holds("2")
    with pytest.raises(AssertionError, match="is no number"):
        at_least(1).each().holds(["2"])
    with pytest.raises(AssertionError, match="say that it is missing"):
        at_least(1).each().holds([])


@pytest.mark.parametrize(
    ("bound", "hanging", "clear"),
    [
        (at_least(3), (2.1, 2.9, 3.0, 3.9), (1.9, 4.1)),
        (at_most(0.3), (0.21, 0.3, 0.39), (0.19, 0.41)),
        (at_least(0.97), (0.965, 0.97, 0.975), (0.95, 0.985, 1.0)),
        (at_least(3).each(), ([5, 2.1], [9, 3.9]), ([5, 1.0], [9, 4.1])),
    ],
    ids=str,
)
def test_a_verdict_hangs_if_a_third_more_or_less_would_turn_it(bound, hanging, clear):
    assert all(bound.hangs(value) for value in hanging)
    assert not any(bound.hangs(value) for value in clear)


def test_what_was_found_exists_by_its_name_and_hangs_on_no_limit():
    found = Exists("a mean push of 2 logits")
    assert str(found) == "there is one: a mean push of 2 logits"
    assert found.holds("2.0")
    assert not any(map(found.holds, ("", [], ())))
    assert not found.hangs("2.0")
