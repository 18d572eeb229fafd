from __future__ import annotations

import pytest

from algoscope.compiled.programs.library import PROGRAMS


def test_each_variable_stands_in_the_earliest_layer_that_can_compute_it(compiled):
    where = [(each.name, str(each.component)) for each in compiled("induction").variables]
    assert where == [
        ("tokens", "token embedding"),
        ("positions", "position embedding"),
        ("previous letter", "0.0"),
        ("share of <bos>", "0.1"),
        ("times so far", "MLP 0"),
        ("previous letter was new", "1.0"),
        ("first follows", "MLP 1"),
        ("letter behind", "2.0"),
    ]


def test_what_follows_from_one_variable_needs_no_component(compiled):
    """Whether a letter is an a, or whether its count exceeds 1, is read off the letter and the count."""
    assert len(compiled("is-repeated").variables) == 3
    assert [each.name for each in compiled("count-a").variables] == ["tokens", "share of <bos>", "count of a"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_variables_share_no_direction(name, compiled):
    each = compiled(name)
    directions = [direction for variable in each.variables for direction in variable.directions]
    assert directions == list(range(each.model.config.d_model))
