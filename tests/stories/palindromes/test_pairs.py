from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from algoscope.model.head import Head
from algoscope.stories.palindromes import pairs
from algoscope.stories.palindromes.single_faults import SingleFaults

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


def test_pairs_that_no_head_tells_of_and_those_that_another_tells_most_of_are_named():
    told = torch.tensor([[9.0, 1.0]] * 7 + [[1.0, 9.0]] + [[0.0, 0.0]] * 2)
    heads = Head(1, 0), Head(1, 1)
    faults = SingleFaults(torch.zeros(10), torch.zeros(10), told, heads, 1, torch.zeros(0, 22))
    found = pairs._most(SimpleNamespace(reader=heads[0], faults=faults))
    assert (found.value, found.verdict) == (1, "refuted")
    assert found.said == "head 1.1 tells most of 13–8; no head tells of 12–9, 11–10"
