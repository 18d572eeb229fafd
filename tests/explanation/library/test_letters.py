from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.letters import letters
from algoscope.explanation.library.scope import UNSEEN


def places_of(row: Row, letter: int, end: int) -> list[int]:
    return [place for place in range(end) if row.tokens[place] == letter]


def of_letter(case: Case, letter: int, word: str) -> dict[str, Slow]:
    def seen(row: Row, place: int) -> list[int]:
        return places_of(row, letter, place + 1)

    def every(row: Row) -> list[int]:
        return places_of(row, letter, len(row))

    def leading(row: Row, end: int) -> int:
        until = min(places_of(row, letter, end), default=end)
        return sum(row.letter(each) for each in range(until))

    def behind_first(row: Row, place: int) -> int:
        first = min(seen(row, place), default=place)
        return row.at(first + 1) if first < place else UNSEEN

    found: dict[str, Slow] = {
        f"whether {word} is here": lambda row, place: int(row.tokens[place] == letter),
        f"whether {word} is one place back": lambda row, place: int(row.at(place - 1) == letter),
        f"whether {word} is one place ahead": lambda row, place: int(row.at(place + 1) == letter),
        f"whether the first {word} is one place back": lambda row, place: int(
            min(seen(row, place), default=-9) == place - 1
        ),
        f"how far back the last {word} is": lambda row, place: (
            place - max(seen(row, place), default=place + 1)
        ),
        f"the place of the last {word} so far": lambda row, place: max(seen(row, place), default=UNSEEN),
        f"the place of the first {word} so far": lambda row, place: min(seen(row, place), default=UNSEEN),
        f"how many letters stand before the first {word} so far": lambda row, place: leading(row, place + 1),
        f"the token behind the first {word} so far": behind_first,
        f"the place of the first {word}": lambda row, place: min(every(row), default=UNSEEN),
        f"the place of the last {word}": lambda row, place: max(every(row), default=UNSEEN),
        f"how many letters stand before the first {word}": lambda row, place: leading(row, len(row)),
        f"whether {word} comes later": lambda row, place: int(letter in row.tokens[place + 1 :]),
    }
    for words, places in stretches(case).items():
        found[f"whether there is {word} {words}"] = lambda row, place, places=places: int(
            letter in [row.tokens[each] for each in places(row, place)]
        )
    return found


@pytest.mark.parametrize("name", CASES)
def test_where_a_letter_occurs_is_what_a_loop_finds(name: str):
    case = CASES[name]
    slow = {
        key: value for letter, word in case.letters for key, value in of_letter(case, letter, word).items()
    }
    check(case, letters(case.scope), slow)


def test_a_causal_model_is_not_told_of_letters_to_come():
    assert all(concept.sees is not Sees.ANYWHERE for concept in letters(CASES["growing"].scope))
    assert "whether a comes later" in {concept.name for concept in letters(CASES["open"].scope)}


def test_many_letters_have_no_concepts_of_their_own():
    assert letters(CASES["lists"].scope) == []
