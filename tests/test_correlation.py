from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch

from algoscope.correlation import best_rank_correlation, rank_correlation


def test_only_the_order_counts():
    values = torch.tensor([3.0, -1.0, 2.0, 10.0])
    assert rank_correlation(values, values.exp()) == pytest.approx(1)
    assert rank_correlation(values, -(values**3)) == pytest.approx(-1)


def test_ties_share_their_mean_rank():
    # By hand: ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3; sums of products of deviations 4.5, of squares 4.5 and 5.
    found = rank_correlation(torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert found == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_a_constant_has_no_correlation():
    assert math.isnan(rank_correlation(torch.ones(4), torch.arange(4.0)))
    assert math.isnan(rank_correlation(torch.tensor([2.0]), torch.tensor([1.0])))


def test_what_is_no_number_has_no_rank():
    assert math.isnan(rank_correlation(torch.tensor([1.0, math.nan, 3.0]), torch.arange(3.0)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0.0, 0, 0, 1, 2], [3.0, 1, 1, 5, 4]),
        ([1.0, 2, 3, 4, 5], [9.0, 7, 8, 6, 5]),
        ([0.0, 0, 1, 1, 1], [1.0, 1, 1, 1, 0]),
    ],
)
def test_the_best_rank_correlation_is_the_largest_of_all_orders(one, other):
    one, other = torch.tensor(one), torch.tensor(other)
    every = [rank_correlation(one, other[list(order)]) for order in permutations(range(5))]
    assert best_rank_correlation(one, other) == pytest.approx(max(every))


def test_one_of_ten_against_ten_that_differ_reaches_0_522_and_no_more():
    """Case 11 of the reports: 0.6 was asked of what can reach 0.522."""
    missed = torch.zeros(10)
    missed[3] = 1
    predicted = torch.arange(10.0).roll(4)
    assert rank_correlation(predicted, missed) == pytest.approx(0.522, abs=5e-4)
    assert best_rank_correlation(predicted, missed) == pytest.approx(0.522, abs=5e-4)
    assert best_rank_correlation(predicted, predicted) == pytest.approx(1)
    assert math.isnan(best_rank_correlation(predicted, torch.zeros(10)))
