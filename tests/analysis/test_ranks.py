from __future__ import annotations

import math

import pytest
import torch

from algoscope.analysis.ranks import rank_correlation


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
