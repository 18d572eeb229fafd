from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attribution import class_direction
from algoscope.model.head import Head
from algoscope.stories.palindromes.single_faults import (
    SingleFaults,
    double_faults,
    single_faults,
)
from algoscope.tasks.palindromes import broken_at, mismatch


def test_the_public_model_misses_two_pairs_and_head_1_1_reports_the_outermost(public_palindromes):
    model = public_palindromes.model
    direction = class_direction(model, 0, 1, "not palindrome")
    found = single_faults(model, direction, count=50, seed=0)
    assert (found.missed > 0.5).nonzero().flatten().tolist() == [1, 3]
    assert found.reporters(0) == (Head(1, 1),)
    assert found.reporters(1) == ()
    assert found.reporters(9) == (Head(1, 0),)


def test_missed_shares_are_those_of_running_the_model_pair_by_pair(public_palindromes):
    model = public_palindromes.model
    found = single_faults(model, class_direction(model, 0, 1, ""), count=40, seed=1)
    where = torch.cat([torch.eye(10).repeat_interleave(40, 0), torch.zeros(40, 10)]).bool()
    tokens = broken_at(where, seed=1).tokens
    for pair in range(10):
        logits = model(tokens[40 * pair : 40 * pair + 40])[:, -1]
        assert found.missed[pair].item() == pytest.approx((logits.argmax(-1) == 1).double().mean().item())
        assert found.logit[pair].item() == pytest.approx(
            (logits[:, 0] - logits[:, 1]).mean().item(), abs=1e-3
        )


def test_two_overlooked_pairs_are_overlooked_together_and_come_first(public_palindromes):
    found = double_faults(public_palindromes.model, count=10, seed=0)
    assert found.missed[1, 3] == found.missed[3, 1] == 1
    assert found.missed[5, 7] == 0
    assert found.missed.diagonal().isnan().all()
    assert found.ranked[0].nonzero().flatten().tolist() == [1, 3]
    assert found.ranked.sum(1).tolist() == [2] * 45
    marks = mismatch(found.fooling)[:, 1:11]
    assert len(found.fooling) == round(found.missed.nansum().item() / 2 * 10)
    assert (marks.sum(1) == 2).all()
    assert (public_palindromes.model(found.fooling)[:, -1].argmax(-1) == 1).all()


def test_a_head_that_tells_less_than_a_quarter_is_no_reporter():
    told = torch.tensor([[9.0, 2.0, -4.0], [0.5, 0.6, 0.0]])
    faults = SingleFaults(
        torch.zeros(2), torch.zeros(2), told, (Head(0, 0), Head(1, 0), Head(1, 1)), 1, torch.zeros(0, 22)
    )
    assert faults.reporters(0) == (Head(0, 0),)
    assert faults.share(0, Head(1, 0)) == pytest.approx(2 / 11)
    assert faults.reporters(1) == ()


def test_of_several_reporters_the_loudest_comes_first():
    told = torch.tensor([[3.0, 0.0, 5.0]])
    heads = Head(0, 0), Head(1, 0), Head(1, 1)
    faults = SingleFaults(torch.zeros(1), torch.zeros(1), told, heads, 1, torch.zeros(0, 22))
    assert faults.reporters(0) == (Head(1, 1), Head(0, 0))
