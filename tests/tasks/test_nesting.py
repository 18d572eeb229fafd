"""Which brackets may come next, against cancelling pairs until none is left."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.tasks.nesting import Nesting

TASK = Nesting()


def cancelled(string: str) -> str:
    """What is left of a string when all pairs that match are taken out."""
    while "()" in string or "[]" in string:
        string = string.replace("()", "").replace("[]", "")
    return string


def may_stand(string: str) -> bool:
    """Whether a string is the beginning of one that closes what it opens, at most 3 deep everywhere."""
    prefixes = (cancelled(string[:end]) for end in range(len(string) + 1))
    return all(set(left) <= set("([") and len(left) <= 3 for left in prefixes)


def short_strings() -> list[str]:
    every = ("".join(brackets) for length in range(1, 8) for brackets in product("()[]", repeat=length))
    return [string for string in every if may_stand(string)]


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    return ["".join(word for word in TASK.words(row) if word in "()[]") for row in TASK.sample(300, 0).tokens]


def test_the_sets_of_all_strings_up_to_7_brackets_are_those_of_trying_each_bracket():
    strings = short_strings()
    assert len(strings) == 776
    examples = TASK.examples(TASK.encode(strings))
    last = examples.row_number == examples.concepts["length"][examples.row_example]
    for string, label in zip(strings, examples.labels[last].tolist(), strict=True):
        assert label == [*(may_stand(string + bracket) for bracket in "()[]"), cancelled(string) == ""]


def test_the_answers_along_a_string_are_those_of_its_beginnings(drawn: list[str]):
    examples = TASK.examples(TASK.encode(drawn))
    expected = []
    for string in drawn:
        for end in range(len(string) + 1):
            here = string[:end]
            expected.append([*(may_stand(here + each) for each in "()[]"), cancelled(here) == ""])
    assert examples.labels.tolist() == expected
    assert torch.equal(examples.answered, examples.tokens != TASK.pad)


def test_concepts_are_what_is_left_when_pairs_cancel(drawn: list[str]):
    concepts = TASK.concepts(TASK.encode(drawn))
    assert concepts["length"].tolist() == [len(string) for string in drawn]
    for row, string in enumerate(drawn):
        left = [cancelled(string[:end]) for end in range(len(string) + 1)]
        padding = [0] * (20 - len(string))
        assert concepts["depth"][row].tolist() == [len(each) for each in left] + padding
        innermost = [{"": 0, "(": 1, "[": 2}[each[-1:]] for each in left]
        assert concepts["innermost"][row].tolist() == innermost + padding


def test_samples_and_neighbours_are_inputs_of_every_length(drawn: list[str]):
    assert all(map(may_stand, drawn))
    assert {len(string) for string in drawn} == set(range(1, 21))
    tokens = TASK.sample(2000, seed=1).tokens
    changed = TASK.neighbours(tokens, torch.Generator().manual_seed(0))
    assert (changed != tokens).any(1).all()
    assert torch.equal(changed == TASK.pad, tokens == TASK.pad)
    for row in changed:
        assert may_stand("".join(word for word in TASK.words(row) if word in "()[]"))


def test_every_string_of_3_brackets_is_drawn():
    rows = {tuple(row) for row in TASK.sample(20_000, seed=0).tokens.tolist() if row[3] < 4 and row[4] > 4}
    assert len(rows) == sum(len(string) == 3 for string in short_strings())


@given(st.text("()[]", min_size=1, max_size=20))
def test_what_can_not_stand_is_refused(string: str):
    if may_stand(string):
        shown = TASK.show(TASK.encode([string])[0]).plain
        assert shown == f"<bos> {string}"
    else:
        with pytest.raises(UserError, match=r"can't go on with '.' after \d+ brackets"):
            TASK.encode([string])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("((((", r"'\(\(\(\(' can't go on with '\(' after 3 brackets"),
        ("([)", r"'\(\[\)' can't go on with '\)' after 2 brackets"),
        ("", "has 0 letters: give 1 to 20"),
        ("()" * 11, "has 22 letters: give 1 to 20"),
        ("(a", "has 'a'"),
    ],
)
def test_encode_says_where_an_input_goes_wrong(value: str, message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode(["()", value])


@pytest.mark.parametrize(("length", "kind"), [(1, "1 to 5"), (5, "1 to 5"), (6, "6 to 10"), (20, "16 to 20")])
def test_kinds_are_lengths(length: int, kind: str):
    groups = TASK.groups(TASK.examples(TASK.encode([("()" * 10)[:length]])))
    assert [name for name, mask in groups.items() if mask.item()] == [f"{kind} brackets"]


def test_nothing_encodes_to_no_rows():
    assert TASK.encode([]).shape == (0, 21)
