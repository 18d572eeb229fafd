from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.order import order
from algoscope.explanation.library.scope import UNSEEN


def slow(case: Case) -> dict[str, Slow]:
    return {
        name: of for words, places in stretches(case).items() for name, of in among(words, places).items()
    }


def among(words: str, places: Callable[[Row, int], list[int]]) -> dict[str, Slow]:
    def numbers(row: Row, place: int) -> list[int]:
        return [row.tokens[each] for each in places(row, place) if row.letter(each)]

    def here(row: Row, place: int) -> int:
        """An anchor is smaller than every number."""
        return row.tokens[place] if row.letter(place) else UNSEEN

    def before(row: Row, place: int) -> int:
        keys = [(row.tokens[each], each) for each in places(row, place) if row.letter(each)]
        return sum(key < (here(row, place), place) for key in keys)

    found: dict[str, Slow] = {
        "the largest number": lambda row, place: max(numbers(row, place), default=UNSEEN),
        "how many numbers are smaller than the one here": lambda row, place: sum(
            number < here(row, place) for number in numbers(row, place)
        ),
        "how many numbers are larger than the one here": lambda row, place: sum(
            number > here(row, place) for number in numbers(row, place)
        ),
        "how many numbers go before the one here": before,
        "the next larger number than the one here": lambda row, place: min(
            (number for number in numbers(row, place) if number > here(row, place)), default=UNSEEN
        ),
        "the next smaller number than the one here": lambda row, place: max(
            (number for number in numbers(row, place) if number < here(row, place)), default=UNSEEN
        ),
        "whether the number here is the largest": lambda row, place: int(
            row.letter(place) and all(number <= here(row, place) for number in numbers(row, place))
        ),
    }
    for rank, name in enumerate(("smallest", "second smallest", "third smallest", "fourth smallest")):
        found[f"the {name} number"] = lambda row, place, rank=rank: [
            *sorted(numbers(row, place)),
            *[UNSEEN] * 4,
        ][rank]
    return {f"{name} {words}": of for name, of in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_ranks_are_what_sorting_lists_finds(name: str):
    check(CASES[name], order(CASES[name].scope), slow(CASES[name]))


def test_letters_that_are_no_numbers_have_no_order():
    assert order(CASES["letters"].scope) == []


def test_a_causal_model_ranks_among_what_has_come():
    assert {concept.sees for concept in order(CASES["lists"].scope)} == {Sees.BEFORE}
    assert {concept.sees for concept in order(CASES["numbers"].scope)} == {Sees.BEFORE, Sees.ANYWHERE}
