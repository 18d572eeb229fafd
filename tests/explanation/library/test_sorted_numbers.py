from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, case, check, part_name

from algoscope.explanation.library.scope import UNSEEN
from algoscope.explanation.library.sorted_numbers import sorted_numbers


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for part in range(len(case.language.anchors) + 1):

        def pick(row: Row, place: int, rank: str, part: int = part) -> int:
            if case.language.causal and row.segment(place) <= part:
                return UNSEEN
            numbers = sorted(
                row.tokens[each] for each in range(len(row)) if row.letter(each) and row.segment(each) == part
            )
            index = {
                "here": place - row.begins(place) - 1,
                "next": place - row.begins(place),
                "lower": (len(numbers) - 1) // 2,
                "upper": len(numbers) // 2,
            }[rank]
            return numbers[index] if 0 <= index < len(numbers) else UNSEEN

        for rank, words in (
            ("here", "number to stand here in order"),
            ("next", "number to stand next in order"),
            ("lower", "lower middle number"),
            ("upper", "upper middle number"),
        ):
            found[f"the {words} of {part_name(case, part)}"] = lambda row, place, rank=rank, pick=pick: pick(
                row, place, rank
            )
    return found


@pytest.mark.parametrize("name", CASES)
def test_numbers_in_order_are_those_of_a_sorted_list(name: str):
    check(CASES[name], sorted_numbers(CASES[name].scope), slow(CASES[name]))


def test_a_sorted_copy_is_told_one_number_ahead():
    made = case(
        "", [[*"312", "sort", *"123"], [*"221", "sort", *"122"]], ["sort"], "0123", True, ordered=True
    )
    (following,) = (each for each in sorted_numbers(made.scope) if "next" in each.name)
    assert following.of(made.inputs)[:, 3:6].tolist() == [[1, 2, 3], [1, 2, 2]]
