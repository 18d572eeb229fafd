from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, case, check, stretches, with_derived

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.scope import UNSEEN
from algoscope.explanation.library.sums import sums


def worth(row: Row, place: int) -> int:
    return int(row.language.words[row.tokens[place]]) if row.letter(place) else 0


def change(row: Row, place: int) -> int:
    if place == 0 or row.anchor(place) or row.anchor(place - 1):
        return 0
    return worth(row, place) - worth(row, place - 1)


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {
        "the number here": worth,
        "how much larger the number here is than the one before": change,
    }
    for words, places in stretches(case).items():
        found[f"the sum of the numbers {words}"] = lambda row, place, places=places: sum(
            worth(row, each) for each in places(row, place)
        )
    size = len(case.language.letters)
    of_two = {
        "how far apart the two numbers are": lambda one, other: abs(one - other),
        f"the first number minus the second, modulo {size}": lambda one, other: (one - other) % size,
        f"the product of the two numbers, modulo {size}": lambda one, other: one * other % size,
        "the larger of the two numbers": max,
        "the smaller of the two numbers": min,
    }
    for name, of in of_two.items():

        def both(row: Row, place: int, of: object = of) -> int:
            first, second = (each for each in range(len(row)) if row.letter(each))
            if case.language.causal and place < second:
                return UNSEEN
            return of(worth(row, first), worth(row, second))  # type: ignore[operator]

        found[name] = both
    derived = with_derived(found)
    for words in stretches(case):
        for modulus in (size, 10):
            derived[f"the sum of the numbers {words}, modulo {modulus}"] = (
                lambda row, place, words=words, m=modulus: (
                    found[f"the sum of the numbers {words}"](row, place) % m
                )
            )
    return derived


@pytest.mark.parametrize("name", CASES)
def test_sums_are_what_a_loop_adds(name: str):
    check(CASES[name], sums(CASES[name].scope), slow(CASES[name]))


def test_an_input_of_two_numbers_has_their_difference_modulo_the_numbers_there_are():
    made = case(
        "", [["2", "5", "="], ["6", "0", "="]], ["="], [str(number) for number in range(7)], True, True
    )
    (difference,) = (each for each in sums(made.scope) if "minus" in each.name)
    assert difference.of(made.inputs).tolist() == [[UNSEEN, 4, 4], [UNSEEN, 6, 6]]


def test_the_worth_of_a_number_is_its_word_and_not_its_token():
    made = case("", [["10", "30"], ["20", "20"]], "", ["10", "20", "30"], causal=False, ordered=True)
    (total,) = (each for each in sums(made.scope) if each.name == "the sum of the numbers in all")
    assert total.of(made.inputs).tolist() == [[40, 40], [40, 40]]
    assert total.sees is Sees.ANYWHERE


def test_numbers_that_are_not_whole_are_not_added():
    made = case("", [["0.5", "1", "2"], ["1", "2", "2"]], "", ["0.5", "1", "2"], causal=False, ordered=True)
    assert sums(made.scope) == []
