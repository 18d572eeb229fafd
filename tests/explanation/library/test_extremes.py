from __future__ import annotations

from itertools import combinations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, with_derived

from algoscope.explanation.library.extremes import extremes


def difference(row: Row, one: int, other: int, begin: int, end: int) -> int:
    part = row.tokens[begin:end]
    return part.count(one) - part.count(other)


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    ranges = {
        "in any prefix so far": lambda row, place: [(0, end) for end in range(place + 2)],
        "in any stretch that ends here": lambda row, place: [
            (begin, place + 1) for begin in range(place + 1)
        ],
        "in any prefix": lambda row, place: [(0, end) for end in range(len(row) + 1)],
        "in any suffix": lambda row, place: [(begin, len(row)) for begin in range(len(row) + 1)],
        "in any suffix from here on": lambda row, place: [
            (begin, len(row)) for begin in range(place, len(row) + 1)
        ],
    }
    for words, cuts in ranges.items():
        for (one, first), (other, second) in combinations(case.letters, 2):
            for extreme, pick in (("lowest", min), ("highest", max)):
                found[f"the {extreme} count of {first} minus that of {second} {words}"] = (
                    lambda row, place, cuts=cuts, one=one, other=other, pick=pick: pick(
                        difference(row, one, other, *cut) for cut in cuts(row, place)
                    )
                )
    return with_derived(found)


@pytest.mark.parametrize("name", CASES)
def test_extremes_are_the_best_that_a_loop_finds(name: str):
    check(CASES[name], extremes(CASES[name].scope), slow(CASES[name]))


def test_a_balanced_string_has_no_suffix_below_zero():
    case = CASES["brackets"]
    (lowest,) = (
        concept
        for concept in extremes(case.scope)
        if concept.name == "the highest count of ( minus that of ) in any suffix"
    )
    words = ["".join(case.word(token) for token in row.tokens[1:-1]) for row in case.rows]
    codes = lowest.of(case.inputs)[:, 0].tolist()
    assert [code > 0 for code in codes] == [
        any(word[at:].count("(") > word[at:].count(")") for at in range(len(word))) for word in words
    ]
