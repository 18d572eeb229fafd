from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches, with_derived

from algoscope.explanation.library.residues import residues
from algoscope.explanation.library.shares import ONE

NUMBERS: dict[str, Slow] = {
    "place": lambda row, place: place,
    "place in the part": lambda row, place: place - max(row.begins(place), 0),
    "position": lambda row, place: row.ids[place],
}


def classes(case: Case) -> dict[str, Callable[[Row, int], list[int]]]:
    """Each stretch, cut down to the places of one remainder."""
    found: dict[str, Callable[[Row, int], list[int]]] = {}
    for words, places in stretches(case).items():
        for kind, number in NUMBERS.items():
            for modulus in (2, 3):

                def cut(
                    row: Row,
                    place: int,
                    wanted: int,
                    places: object = places,
                    number: Slow = number,
                    m: int = modulus,
                ) -> list[int]:
                    return [each for each in places(row, place) if (number(row, each) - wanted) % m == 0]  # type: ignore[operator]

                for residue in range(modulus):
                    found[f"{words} where the {kind} is {residue} modulo {modulus}"] = (
                        lambda row, place, cut=cut, residue=residue: cut(row, place, residue)
                    )
                for which, ahead in (("this", 0), ("the next", 1)):
                    name = f"{words} where the {kind} is that of {which} place modulo {modulus}"
                    found[name] = lambda row, place, cut=cut, number=number, ahead=ahead: cut(
                        row, place, number(row, place) + ahead
                    )
    return found


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for words, places in classes(case).items():

        def count(row: Row, place: int, letter: int, places: object = places) -> int:
            return sum(row.tokens[each] == letter for each in places(row, place))  # type: ignore[operator]

        def share(row: Row, place: int, letter: int, places: object = places, count: object = count) -> int:
            total = sum(row.letter(each) for each in places(row, place))  # type: ignore[operator]
            return count(row, place, letter) * ONE // total if total else -2 * ONE  # type: ignore[operator]

        for letter, word in case.letters:
            found[f"how many {word} {words}"] = lambda row, place, of=count, letter=letter: of(
                row, place, letter
            )
            found[f"the share of {word} among the letters {words}"] = (
                lambda row, place, of=share, letter=letter: of(row, place, letter)
            )
        for (one, first), (other, second) in combinations(case.letters, 2):
            found[f"how many more {first} than {second} {words}"] = (
                lambda row, place, of=count, one=one, other=other: of(row, place, one) - of(row, place, other)
            )
    return with_derived(found)


@pytest.mark.parametrize("name", [name for name in CASES if len(CASES[name].language.letters) <= 4])
def test_counts_of_a_residue_class_are_what_a_loop_counts(name: str):
    check(CASES[name], residues(CASES[name].scope), slow(CASES[name]))


def test_places_are_numbered_by_part_where_there_are_several_and_by_position_where_that_shifts():
    def numberings(name: str) -> set[str]:
        names = [concept.name for concept in residues(CASES[name].scope)]
        return {kind for kind in NUMBERS if any(f"where the {kind} is" in each for each in names)}

    assert numberings("brackets") == {"place"}
    assert numberings("growing") == {"place", "position"}
    assert numberings("bits") == {"place in the part", "position"}


def test_five_letters_have_no_residues():
    assert residues(CASES["letters"].scope) == []
