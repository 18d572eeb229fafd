from __future__ import annotations

from algoscope.discovery.shrink import Judged, shrink
from algoscope.model.component import Component

PARTS = tuple(Component.parse(f"0.{index}") for index in range(6))
A, B, C, D, E, F = PARTS


def judge_by(enough):
    """A judge that counts what is asked of it; a set is better, the fewer parts of the later ones it lost."""
    asked = []

    def judge(sets):
        asked.extend(sets)
        return [Judged(enough(set(each)), sum(PARTS.index(part) for part in each)) for each in sets]

    return judge, asked


def test_what_is_not_needed_goes_and_the_rest_stays_in_order():
    judge, _ = judge_by(lambda kept: {B, E} <= kept)
    assert shrink(PARTS, judge) == (B, E)


def test_of_two_that_stand_in_for_each_other_the_more_missed_stays():
    judge, _ = judge_by(lambda kept: A in kept and (C in kept or D in kept))
    assert shrink(PARTS, judge) == (A, D)


def test_if_nothing_is_needed_nothing_is_left_and_if_all_is_all():
    assert shrink(PARTS, judge_by(lambda kept: True)[0]) == ()
    assert shrink(PARTS, judge_by(lambda kept: len(kept) == 6)[0]) == PARTS


def test_most_go_at_once():
    judge, asked = judge_by(lambda kept: F in kept)
    assert shrink(PARTS, judge) == (F,)
    # Six alone, four starts of the five that may go, then the last one.
    assert len(asked) == 6 + 4 + 1
