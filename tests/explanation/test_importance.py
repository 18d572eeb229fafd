from __future__ import annotations

import pytest
import torch
from tests.explanation.asked import a_compiled, asked, component

from algoscope.explanation.explain import workshop
from algoscope.explanation.importance import idle, runs
from algoscope.explanation.trial import Change


@pytest.mark.parametrize(
    ("which", "parts"),
    [
        ([], []),
        ([3], [[3]]),
        ([1, 2, 3], [[1], [2], [3]]),
        ([1, 2, 3, 4], [[1, 2, 3, 4]]),
        ([1, 5, 6, 7, 8, 20], [[1], [5, 6, 7, 8], [20]]),
    ],
)
def test_only_long_runs_of_positions_are_one_place(which: list[int], parts: list[list[int]]):
    assert runs(which) == parts


def test_idle_is_what_moves_neither_distributions_nor_answers():
    assert idle(Change(0.01, 0.01))
    assert not idle(Change(0.03, 0.0))
    assert not idle(Change(0.0, 0.02))


def test_parts_that_a_program_does_not_use_are_idle():
    compiled = a_compiled("count-a")
    shop = asked(compiled, "count of a").shop
    working = {component(compiled, name) for name in ("share of <bos>", "count of a")}
    found = {
        (str(node.component), node.place.name) for node in shop.rows if node not in shop.importances.idle
    }
    assert found == {(each, "at position 6") for each in working}


def test_of_three_that_vote_not_all_are_idle():
    compiled = a_compiled("previous-token-by-vote")
    with torch.no_grad():
        shop = workshop(compiled.model, compiled.task, compiled.task.sample(600, seed=1), seed=0)
    voters = {
        str(each.component) for each in compiled.variables if each.name.endswith((" (1)", " (2)", " (3)"))
    }
    awake = {str(node.component) for node in shop.rows if node not in shop.importances.idle}
    assert len(awake & voters) >= 2
