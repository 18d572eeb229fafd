from __future__ import annotations

from operator import eq

import pytest

from algoscope.compiled.compiler import compile
from algoscope.compiled.language import aggregate, choose, positions, select, tokens
from algoscope.compiled.program import program
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


def test_a_fixed_value_is_read_from_nowhere():
    @program("abc", length=3)
    def first_or_other():
        """Is the first letter here, or else an a or not?"""
        first = aggregate(select(positions, 1, eq), tokens)
        return choose(tokens == first, "first", choose(tokens == "a", "a", "other")).named("answer")

    wires = compile(first_or_other).graph.wires
    into_maps = {wire.variable.name for wire in wires if wire.input == "in"}
    assert into_maps == {"tokens", "aggregate(tokens)", "(tokens == aggregate(tokens))", "answer"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_variables_share_no_direction(name, compiled):
    each = compiled(name)
    directions = [direction for variable in each.variables for direction in variable.directions]
    assert directions == list(range(each.model.config.d_model))
