from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attribution import Contributions
from algoscope.model.component import EMBEDDING, Component
from algoscope.model.head import Head
from algoscope.questions.roles import strongest_head

PARTS = (EMBEDDING, *map(Component.parse, ("0.0", "0.1", "MLP 0")))
ROWS = torch.tensor([True, True, False])


def pushed(embedding: float, first: float, second: float, mlp: float) -> Contributions:
    """Four components that push the first two rows by this much, and the last by nothing."""
    values = torch.tensor([embedding, first, second, mlp])[:, None] * ROWS
    return Contributions(PARTS, values, "unbalanced")


def test_the_head_with_the_largest_mean_push_has_the_role():
    role = strongest_head(pushed(0, 3, 5, 1), ROWS, "broken")
    assert (role.head, role.push, role.reason) == (Head(0, 1), 5.0, "")


def test_an_mlp_is_no_head_even_if_it_pushes_further():
    assert strongest_head(pushed(0, 3, 0, 6), ROWS, "broken").head == Head(0, 0)


def test_a_push_the_other_way_is_no_role():
    assert strongest_head(pushed(0, -9, -3, 20), ROWS, "broken").head is None


def test_less_than_2_logits_is_too_little_for_a_role():
    role = strongest_head(pushed(0, 1.9, 0, 0), ROWS, "broken")
    assert role.head is None
    assert role.reason == "the strongest head, 0.0, pushes 1.90 logits: fewer than 2"


def test_less_than_a_quarter_of_all_is_too_little_for_a_role():
    role = strongest_head(pushed(0, 3, 0, 17), ROWS, "broken")
    assert role.head is None
    assert "less than a quarter of all 20.00" in role.reason


@pytest.mark.parametrize("given", ["no contributions", "no such example"])
def test_what_could_not_be_measured_has_no_push_and_says_why(given):
    role = strongest_head(
        None if given == "no contributions" else pushed(0, 3, 5, 1),
        ROWS if given == "no contributions" else ~(ROWS | True),
        "broken",
    )
    assert role.head is None
    assert role.push is None
    assert role.reason.startswith("there is no example of the")
