from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Row, Slow, case, check

from algoscope.explanation.library.parallel import parallel
from algoscope.explanation.library.scope import UNSEEN


def same_index(row: Row, place: int) -> int:
    """A place outside the input where there is no part before."""
    here = row.begins(place)
    return row.begins(here - 1) + place - here if here > 0 else -1000


def mirror_index(row: Row, place: int) -> int:
    here = row.begins(place)
    return here - (place - here) if here > 0 else 1000


def slow() -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for words, shift in (("one place back from", -1), ("at", 0), ("one place ahead of", 1)):
        for what, index in (
            ("this index in the part before", same_index),
            ("the mirror of this index before", mirror_index),
        ):

            def token(row: Row, place: int, shift: int = shift, index: Slow = index) -> int:
                there = index(row, place) + shift
                return UNSEEN if there > place else row.at(there)

            def same(row: Row, place: int, token: Slow = token) -> int:
                other = token(row, place)
                return other if other == UNSEEN else int(other == row.tokens[place])

            found[f"the token {words} {what}"] = token
            found[f"whether the token here is that {words} {what}"] = same
    return found


@pytest.mark.parametrize("name", CASES)
def test_tokens_of_the_part_before_are_what_a_loop_finds(name: str):
    check(CASES[name], parallel(CASES[name].scope), slow())


def test_a_copy_and_a_reversal_are_read_off_the_part_before():
    texts = [["S", *word, "|", *reply] for word, reply in (("abc", "abc"), ("cab", "bac"), ("ba", "ab"))]
    made = case("", texts, "S|", "abc", causal=True)
    found = {concept.name: concept.of(made.inputs) for concept in parallel(made.scope)}
    copied = found["the token one place ahead of this index in the part before"]
    assert copied[0, 4:7].tolist() == [0, 1, 2]
    reversed_ = found["the token one place back from the mirror of this index before"]
    assert reversed_[1, 4:7].tolist() == [1, 0, 2]
    assert reversed_[2, 3:5].tolist() == [0, 1]


def test_one_part_has_none_before_it():
    assert parallel(CASES["brackets"].scope) == []
