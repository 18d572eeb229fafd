from __future__ import annotations

from fractions import Fraction
from operator import eq

import pytest

from algoscope.compiled.interpreter import evaluate
from algoscope.compiled.language import everything, mean, positions, select, tokens, width
from algoscope.compiled.program import program
from algoscope.compiled.reach import reach


@pytest.mark.parametrize(
    "name", ["first-unique", "sort", "balanced", "reverse-any-length", "deepest", "majority"]
)
def test_whatever_happens_was_foreseen(name, compiled, text_of):
    each = compiled(name)
    foreseen = each.placed.lowered.reach.values
    for row in each.task.sample(50, seed=1).tokens:
        words = ("<bos>", *text_of(each, row))
        done = {}
        evaluate(each.program.answer, words, each.program.causal, done)
        for expression, values in done.items():
            for position, value in enumerate(values):
                assert value in foreseen[expression][position], (str(expression), position)


def test_what_a_count_can_be_depends_on_what_can_be_selected():
    count = width(select(tokens, tokens, eq))

    @program("ab", length=range(2, 4))
    def counted():
        return count

    assert reach(counted).values[count] == [{0}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}]


def test_the_length_is_known_to_be_one_of_the_lengths():
    length = width(everything)

    @program("ab", length=range(2, 7, 2))
    def how_long():
        return length

    assert reach(how_long).values[length][1] == {2, 4, 6}


def test_a_mean_is_taken_over_what_is_always_and_what_may_be_selected():
    share = mean(select(positions, 2, eq), tokens == "a")
    of_a = mean(select(tokens, "a", eq), positions)

    @program("ab", length=3, causal=True)
    def both():
        return share - of_a > 0

    found = reach(both).values
    assert found[share] == [{0}, {0}, {0, 1}, {0, 1}]
    assert found[of_a][2] == {0, 1, 2, Fraction(3, 2)}
