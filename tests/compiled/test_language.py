from __future__ import annotations

from operator import eq

import pytest

from algoscope.compiled.interpreter import evaluate
from algoscope.compiled.language import (
    Number,
    apply,
    choose,
    everything,
    marked,
    mean,
    positions,
    select,
    tokens,
    vote,
    width,
)
from algoscope.compiled.program import program
from algoscope.errors import UserError


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        (positions + 1, [1, 2, 3]),
        (positions - 1, [-1, 0, 1]),
        (5 - positions, [5, 4, 3]),
        (positions % 2, [0, 1, 0]),
        (positions + positions, [0, 2, 4]),
        (positions == 1, [False, True, False]),
        (positions != 1, [True, False, True]),
        (positions < 1, [True, False, False]),
        (positions <= 1, [True, True, False]),
        (positions > 1, [False, False, True]),
        (positions >= 1, [False, True, True]),
        ((tokens == "a") & (positions == 2), [False, False, True]),
        ((tokens == "a") | (positions == 0), [True, False, True]),
        (~(tokens == "a"), [True, True, False]),
        (choose(tokens == "a", positions, -1), [-1, -1, 2]),
        (width(marked(tokens == "a")), [0, 1, 1]),
        (vote(positions, positions + 1, positions), [0, 1, 2]),
        (vote(positions, positions + 1, positions + 2), ["no majority"] * 3),
    ],
    ids=str,
)
def test_operators_work_position_by_position(expression, values):
    assert evaluate(expression, ("<bos>", "b", "a"), causal=False) == values


def test_an_expression_is_called_what_it_says_or_what_it_is_named():
    assert str((tokens == "a") & (positions > 2)) == "((tokens == 'a') and (positions > 2))"
    assert str(choose(tokens == "a", positions, 0)) == "(positions if (tokens == 'a') else 0)"
    assert str((tokens == "a").named("an a")) == "an a"


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_a_vote_that_may_be_even_or_is_none_is_refused(count):
    with pytest.raises(UserError, match=f"a vote of {count}: give 3"):
        vote(*[positions] * count)


def test_a_number_among_several_inputs_is_decoded_once():
    share = mean(everything, tokens == "a")
    first, second = (apply(lambda a, b: (a, b), share, positions) for _ in range(2))
    assert not isinstance(first.inputs[0], Number)
    assert first.inputs[0] is second.inputs[0]


def test_a_program_takes_its_name_and_question_from_its_function():
    @program("ab", length=range(2, 4), causal=True, answered="last")
    def how_many_a():
        """How many a are there?"""
        return width(select(tokens, "a", eq))

    assert (how_many_a.name, how_many_a.asks) == ("how-many-a", "How many a are there?")
    assert how_many_a.vocabulary == ("a", "b", "<bos>", "<pad>")
    assert how_many_a.answers_at == (2, 3)
