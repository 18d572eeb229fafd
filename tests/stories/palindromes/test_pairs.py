from __future__ import annotations

import pytest
import torch

from algoscope.stories.palindromes import pairs

ONE_MISSED = torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
MARGINS = torch.tensor([0.2, 0.9, 0.1, 0.05, 0.3, 0.01, 0.02, 0.03, 0.04, 0.06])
"""Of being missed: highest for the pair that is."""


def test_where_ties_leave_no_room_for_the_bound_the_ranking_is_open_and_the_naming_is_not():
    ranked = pairs._correlation(pairs.PREDICTED, MARGINS, ONE_MISSED)
    assert ranked.verdict == "open"
    assert "9 of 10 pairs tie" in ranked.note
    assert "0.522" in ranked.note
    named = pairs._both(MARGINS, ONE_MISSED)
    assert named.verdict == "holds"
    assert named.said == "predicted: 19–2; missed: 19–2"


def test_a_pair_that_is_only_predicted_and_one_that_is_only_missed_are_two_mistakes():
    assert pairs._both(ONE_MISSED.roll(1), ONE_MISSED).value == 2


def test_without_ties_a_ranking_is_measured():
    measured = torch.arange(10.0)
    found = pairs._correlation(pairs.SURE, MARGINS.sort().values, measured)
    assert (found.value, found.verdict) == (pytest.approx(1), "holds")
    assert pairs._correlation(pairs.SURE, MARGINS.sort().values, -measured).verdict == "refuted"


@pytest.mark.parametrize("alike", [torch.zeros(10), torch.ones(10)])
def test_pairs_that_are_all_alike_are_not_ranked(alike):
    for predicted, measured in ((MARGINS, alike), (alike, MARGINS)):
        ranked = pairs._correlation(pairs.PREDICTED, predicted, measured)
        assert (ranked.verdict, ranked.note) == ("open", "all pairs are alike: there is nothing to rank")
