from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.explanation.library.alike import Alike
from algoscope.explanation.library.scope import UNSEEN

ROWS = st.integers(1, 9).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 4), min_size=size, max_size=size), min_size=1, max_size=4)
)


def same(row: list[int], place: int) -> list[int]:
    return [each for each in range(len(row)) if row[each] == row[place]]


@given(ROWS)
def test_the_first_and_the_previous_place_are_those_of_a_loop(rows: list[list[int]]):
    alike = Alike(torch.tensor(rows))
    assert alike.first().tolist() == [[same(row, place)[0] for place in range(len(row))] for row in rows]
    assert alike.previous().tolist() == [
        [
            max((each for each in same(row, place) if each < place), default=UNSEEN)
            for place in range(len(row))
        ]
        for row in rows
    ]


@given(ROWS, st.data())
def test_places_are_counted_that_count(rows: list[list[int]], data: st.DataObject):
    counted = [data.draw(st.lists(st.booleans(), min_size=len(row), max_size=len(row))) for row in rows]
    alike, counts = Alike(torch.tensor(rows)), torch.tensor(counted)
    both = list(zip(rows, counted, strict=True))
    assert alike.so_far(counts).tolist() == [
        [sum(on[each] for each in same(row, place) if each <= place) for place in range(len(row))]
        for row, on in both
    ]
    assert alike.in_all(counts).tolist() == [
        [sum(on[each] for each in same(row, place)) for place in range(len(row))] for row, on in both
    ]
