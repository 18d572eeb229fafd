from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.mirrored import mirrored
from algoscope.explanation.library.scope import UNSEEN


def broken(row: Row, end: int) -> list[int]:
    """The earlier places of the pairs of letters that differ and whose later place is before `end`."""
    letters = [place for place in range(len(row)) if row.letter(place)]
    pairs = list(zip(letters, reversed(letters), strict=True))[: len(letters) // 2]
    return [early for early, late in pairs if late < end and row.tokens[early] != row.tokens[late]]


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for words, end in (("so far", lambda row, place: place + 1), ("in all", lambda row, place: len(row))):

        def pairs(row: Row, place: int, end: Slow = end) -> list[int]:
            return broken(row, end(row, place))

        def bits(row: Row, place: int, pairs: object = pairs) -> int:
            return sum(1 << (early - case.scope.start) for early in pairs(row, place))  # type: ignore[operator]

        found |= {
            f"whether some mirrored pair differs {words}": lambda row, place, pairs=pairs: int(
                bool(pairs(row, place))
            ),
            f"how many mirrored pairs differ {words}": lambda row, place, pairs=pairs: len(pairs(row, place)),
            f"the earlier place of the outermost mirrored pair that differs {words}": (
                lambda row, place, pairs=pairs: min(pairs(row, place), default=UNSEEN)
            ),
            f"the earlier place of the innermost mirrored pair that differs {words}": (
                lambda row, place, pairs=pairs: max(pairs(row, place), default=UNSEEN)
            ),
            f"which mirrored pairs differ {words}": bits,
        }
    width = case.inputs.tokens.shape[1]
    for early in range(width):
        for late in range(early + 1, width):

            def pair(row: Row, place: int, early: int = early, late: int = late) -> int:
                if case.language.causal and place < late:
                    return UNSEEN
                return int(row.tokens[early] != row.tokens[late])

            found[f"whether places {early} and {late} differ"] = pair
    return found


@pytest.mark.parametrize("name", CASES)
def test_mirrored_pairs_are_those_that_a_loop_compares(name: str):
    check(CASES[name], mirrored(CASES[name].scope), slow(CASES[name]))


def test_each_pair_is_offered_where_all_inputs_have_one_shape():
    names = {concept.name for concept in mirrored(CASES["fixed"].scope)}
    assert {"whether places 1 and 7 differ", "whether places 3 and 5 differ"} <= names
    assert not any("whether places" in concept.name for concept in mirrored(CASES["brackets"].scope))


def test_a_causal_model_knows_a_pair_when_its_later_place_has_come():
    assert all(concept.sees is Sees.BEFORE for concept in mirrored(CASES["fixed"].scope))
    assert mirrored(CASES["growing"].scope) == []
