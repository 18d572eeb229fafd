"""Labels and concepts of the maximum, against slow obvious versions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.tasks.maximum import Maximum

TASK = Maximum()
lists = st.lists(st.integers(0, 63), min_size=4, max_size=4)


@given(lists)
def test_labels_and_concepts_are_those_of_sorting(numbers: list[int]):
    tokens = TASK.encode([numbers])
    second, first = sorted(numbers)[2:]
    assert tokens.tolist() == [numbers]
    assert TASK.label(tokens).tolist() == [first]
    concepts = TASK.concepts(tokens)
    assert concepts["is_largest"].tolist() == [[number == first for number in numbers]]
    assert concepts["place"].tolist() == [numbers.index(first)]
    assert concepts["lead"].tolist() == [first - second]
    assert TASK.offending(tokens[0]).tolist() == [number == first for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([5, 9, 9, 0], "a tie"),
        ([5, 9, 8, 0], "ahead by 1"),
        ([5, 9, 7, 0], "ahead by 2 to 7"),
        ([2, 9, 2, 0], "ahead by 2 to 7"),
        ([1, 9, 1, 0], "ahead by 8 or more"),
    ],
)
def test_kinds_are_told_apart_by_the_lead_over_the_second(numbers: list[int], kind: str):
    groups = TASK.groups(TASK.examples(TASK.encode([numbers])))
    assert [name for name, mask in groups.items() if mask.item()] == [kind]


def test_every_number_is_as_common_at_every_place():
    tokens = TASK.sample(64_000, seed=0).tokens
    for place in range(4):
        counts = tokens[:, place].bincount(minlength=64)
        # 99.99 % point of chi-square with 63 degrees of freedom.
        assert ((counts - 1000.0) ** 2 / 1000).sum() < 112


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("1 2 3 4", r"takes a list of inputs: write \['1 2 3 4'\]"),
        ([[1, 2, 3]], r"\[1, 2, 3\] has 3 numbers: give 4"),
        ([[1, 2, 3, 64]], r"has 64: the numbers are whole ones from 0 to 63"),
        (["1 2 3 x"], "'1 2 3 x' has 'x'"),
        ([7], "7 is no sequence: give 4 numbers from 0 to 63"),
    ],
)
def test_encode_names_the_first_input_that_is_none(inputs: list[object], message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode(inputs)


def test_nothing_encodes_to_no_rows():
    assert TASK.encode([]).shape == (0, 4)
    assert torch.equal(TASK.encode(["3, 1 4 1"]), torch.tensor([[3, 1, 4, 1]]))
