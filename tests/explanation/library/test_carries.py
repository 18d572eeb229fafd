from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, case, check

from algoscope.explanation.library.carries import carries
from algoscope.explanation.library.scope import UNSEEN


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for lowest_last in (True, False):
        order = "lowest digit last" if lowest_last else "lowest digit first"
        for shift, words in ((-1, "one digit back"), (0, "at this index"), (1, "one digit ahead")):
            for what in ("digit sum", "carry into it", "digit of the sum"):

                def of(
                    row: Row, place: int, what: str = what, last: bool = lowest_last, shift: int = shift
                ) -> int:
                    return column(case, row, place, what, last, shift)

                found[f"the {what} of both numbers {words}, {order}"] = of
    return found


def column(case: Case, row: Row, place: int, what: str, lowest_last: bool, shift: int) -> int:
    """With whole numbers: what is carried into a column is what the lower digits exceed."""
    first, second = case.scope.parts[:2]
    if row.segment(place) <= second:
        return UNSEEN
    base = len(case.language.letters)
    digits = [
        [row.tokens[each] for each in range(len(row)) if row.letter(each) and row.segment(each) == part]
        for part in (first, second)
    ]
    index = place - row.begins(place) - 1 + shift
    power = len(digits[1]) - 1 - index if lowest_last else index
    if not 0 <= power <= case.inputs.tokens.shape[1]:
        return UNSEEN
    numbers = [
        sum(digit * base**each for each, digit in enumerate(reversed(part) if lowest_last else part))
        for part in digits
    ]
    lower = sum(number % base**power for number in numbers)
    carry = lower // base**power
    total = sum(number // base**power % base for number in numbers)
    return {"digit sum": total, "carry into it": carry, "digit of the sum": (total + carry) % base}[what]


@pytest.mark.parametrize("name", CASES)
def test_carries_are_what_whole_numbers_give(name: str):
    check(CASES[name], carries(CASES[name].scope), slow(CASES[name]))


def test_95_and_7_carry_twice():
    digits = [str(number) for number in range(10)]
    texts = [[*"95", "+", *"07", "=", *"102"], [*"11", "+", *"22", "=", *"033"]]
    made = case("", texts, "+=", digits, causal=True, ordered=True)
    found = {concept.name: concept.of(made.inputs)[0, 5:9].tolist() for concept in carries(made.scope)}
    # From the sign on, the digit that comes next: 1, 0, 2.
    assert found["the digit of the sum of both numbers at this index, lowest digit last"] == [1, 0, 2, UNSEEN]
    assert found["the carry into it of both numbers at this index, lowest digit last"] == [1, 1, 0, UNSEEN]


def test_letters_that_are_no_digits_carry_nothing():
    assert carries(CASES["bits"].scope) == []
    assert carries(CASES["pair"].scope) == []
    assert len(carries(CASES["added"].scope)) == 18
