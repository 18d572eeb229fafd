from __future__ import annotations

from fractions import Fraction
from operator import eq, lt

import pytest

from algoscope.compiled.interpreter import evaluate
from algoscope.compiled.language import (
    aggregate,
    everything,
    mean,
    positions,
    select,
    tokens,
    width,
)
from algoscope.errors import UserError

WORDS = ("<bos>", "a", "b", "a")


def test_bos_is_never_selected_and_sees_only_itself():
    everywhere = width(everything)
    assert evaluate(everywhere, WORDS, causal=False) == [0, 3, 3, 3]
    assert evaluate(everywhere, WORDS, causal=True) == [0, 1, 2, 3]
    assert evaluate(width(select(tokens, "<bos>", eq)), WORDS, causal=False) == [0, 0, 0, 0]


def test_where_nothing_is_selected_bos_is_read():
    before = aggregate(select(positions, positions - 1, eq), tokens)
    assert evaluate(before, WORDS, causal=False) == ["<bos>", "<bos>", "a", "b"]
    earlier = mean(select(positions, positions, lt), positions)
    assert evaluate(earlier, WORDS, causal=False) == [0, 0, 1, Fraction(3, 2)]


def test_an_aggregate_may_select_several_positions_only_if_they_are_alike():
    letters = aggregate(select(tokens, tokens, eq), tokens)
    assert evaluate(letters, WORDS, causal=False) == list(WORDS)
    with pytest.raises(UserError, match="'a' and 'b'"):
        evaluate(aggregate(everything, tokens), WORDS, causal=False)


def test_numbers_are_exact_and_add_up():
    a, b = mean(everything, tokens == "a"), mean(everything, tokens == "b")
    assert evaluate(a - b, WORDS, causal=False)[1:] == [Fraction(1, 3)] * 3
    assert evaluate(a + a + b, WORDS, causal=False)[1:] == [Fraction(5, 3)] * 3
    assert evaluate(a > b.decoded, WORDS, causal=False)[1:] == [True] * 3
