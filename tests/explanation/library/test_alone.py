from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Row, Slow, check

from algoscope.explanation.library.alone import alone
from algoscope.explanation.library.scope import UNSEEN


def once(row: Row, place: int) -> bool:
    return row.letter(place) and row.tokens.count(row.tokens[place]) == 1


def all_once(row: Row) -> list[int]:
    return [place for place in range(len(row)) if once(row, place)]


SLOW: dict[str, Slow] = {
    "whether the letter here occurs only once": lambda row, place: int(once(row, place)),
    "how many letters that occur only once stand before here": lambda row, place: sum(
        once(row, each) for each in range(place)
    ),
    "how many letters occur only once": lambda row, place: len(all_once(row)),
    "whether the first letter that occurs only once is here": lambda row, place: int(
        all_once(row)[:1] == [place]
    ),
    "the first letter that occurs only once": lambda row, place: (
        row.tokens[all_once(row)[0]] if all_once(row) else UNSEEN
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_letters_that_occur_once_are_those_that_a_loop_counts_once(name: str):
    check(CASES[name], alone(CASES[name].scope), SLOW)


def test_a_causal_model_cannot_know_that_a_letter_stays_alone():
    assert alone(CASES["growing"].scope) == []
    assert len(alone(CASES["letters"].scope)) == len(SLOW)
