from __future__ import annotations

from itertools import combinations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches, with_derived

from algoscope.explanation.library.counts import counts


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for words, places in stretches(case).items():

        def count(row: Row, place: int, letter: int, places: object = places) -> int:
            return [row.tokens[each] for each in places(row, place)].count(letter)  # type: ignore[operator]

        for letter, word in case.letters:
            found[f"how many {word} {words}"] = lambda row, place, letter=letter, count=count: count(
                row, place, letter
            )
        for (one, first), (other, second) in combinations(case.letters, 2):
            found[f"how many more {first} than {second} {words}"] = (
                lambda row, place, one=one, other=other, count=count: (
                    count(row, place, one) - count(row, place, other)
                )
            )
    return with_derived(found)


@pytest.mark.parametrize("name", CASES)
def test_counts_are_what_a_loop_counts(name: str):
    check(CASES[name], counts(CASES[name].scope), slow(CASES[name]))


def test_each_stretch_is_offered_that_differs_from_the_others():
    def offered(name: str) -> set[str]:
        names = {concept.name for concept in counts(CASES[name].scope)}
        return {
            words
            for words in stretches(CASES[name])
            for letter in "(a0"
            if f"how many {letter} {words}" in names
        }

    assert offered("brackets") == {"so far", "before here", "in all", "from here on"}
    assert offered("growing") == {"so far", "before here"}
    parts = {"so far in this part", "so far in the part after S", "so far in the part after |"}
    assert offered("bits") == {"so far", "before here", *parts}


def test_many_letters_are_not_counted_one_by_one():
    assert counts(CASES["lists"].scope) == []


def test_five_letters_are_counted_but_not_each_two_of_them():
    names = {concept.name for concept in counts(CASES["letters"].scope)}
    assert "how many e in all" in names
    assert not any("more" in name for name in names)
