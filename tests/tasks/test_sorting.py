"""Labels and concepts of sorting, against slow obvious versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.tasks.sorting import SORT, Sorting

TASK = Sorting()
lists = st.lists(st.integers(0, 19), min_size=6, max_size=6)


def inserted(numbers: list[int]) -> list[int]:
    ordered: list[int] = []
    for number in numbers:
        place = 0
        while place < len(ordered) and ordered[place] < number:
            place += 1
        ordered.insert(place, number)
    return ordered


@given(st.lists(lists, min_size=1, max_size=4))
def test_each_position_from_sort_on_is_answered_with_the_number_that_comes_next(given: list[list[int]]):
    examples = TASK.examples(TASK.encode(given))
    ordered = [inserted(numbers) for numbers in given]
    assert examples.tokens.tolist() == [
        [*numbers, SORT, *behind[:-1]] for numbers, behind in zip(given, ordered, strict=True)
    ]
    assert examples.answer_positions.tolist() == [6, 7, 8, 9, 10, 11]
    assert examples.labels.tolist() == [number for behind in ordered for number in behind]


@given(lists)
def test_concepts_are_those_of_counting(numbers: list[int]):
    tokens = TASK.encode([numbers])
    concepts = TASK.concepts(tokens)
    seen = tokens[0].tolist()
    assert concepts["smaller"].tolist() == [[sum(each < token for each in numbers) for token in seen]]
    assert concepts["copies"].tolist() == [[numbers.count(token) for token in seen]]
    assert concepts["n_different"].tolist() == [len(set(numbers))]


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([3, 1, 4, 0, 5, 9], "all different"),
        ([3, 1, 4, 1, 5, 9], "one pair"),
        ([3, 1, 4, 1, 4, 9], "more are equal"),
        ([1, 1, 1, 0, 5, 9], "more are equal"),
    ],
)
def test_kinds_are_told_apart_by_how_many_numbers_are_equal(numbers: list[int], kind: str):
    groups = TASK.groups(TASK.examples(TASK.encode([numbers])))
    assert [name for name, mask in groups.items() if mask.item()] == [kind]


def test_lists_and_text_are_read():
    assert TASK.encode(["3 1 4 1 5 9", "3,1,4,1,5,9"]).tolist() == [[3, 1, 4, 1, 5, 9, 20, 1, 1, 3, 4, 5]] * 2
    assert TASK.encode([]).shape == (0, 12)
    with pytest.raises(UserError, match=r"has 20: the numbers are whole ones from 0 to 19"):
        TASK.encode([[3, 1, 4, 1, 5, 20]])
