from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches, with_derived

from algoscope.explanation.library.repeats import repeats
from algoscope.explanation.library.scope import UNSEEN


def run(row: Row, place: int) -> int:
    length = 1
    while place - length >= 0 and row.tokens[place - length] == row.tokens[place]:
        length += 1
    return length


def earlier(row: Row, place: int) -> list[int]:
    return [each for each in range(place) if row.tokens[each] == row.tokens[place]]


def alike(row: Row, place: int) -> list[int]:
    """Earlier places with the token here; at an anchor, with any anchor."""
    return [each for each in range(place) if row.anchor(each)] if row.anchor(place) else earlier(row, place)


def is_new(row: Row, place: int) -> bool:
    return row.letter(place) and not earlier(row, place)


def beside(row: Row, there: int | None, shift: int) -> int:
    return UNSEEN if there is None else row.at(there + shift)


def leader(row: Row, place: int) -> int:
    """Letter by letter, with a tally that changes hands only when it is exceeded."""
    tally: dict[int, int] = {}
    best, most = UNSEEN, 0
    for each in range(place + 1):
        if row.letter(each):
            token = row.tokens[each]
            tally[token] = tally.get(token, 0) + 1
            if tally[token] > most:
                best, most = token, tally[token]
    return best


def mode(case: Case, tokens: tuple[int, ...]) -> int:
    present = [letter for letter in case.language.letters if letter in tokens]
    return max(present, key=lambda letter: (tokens.count(letter), -letter), default=UNSEEN)


def slow(case: Case) -> dict[str, Slow]:
    quantities: dict[str, Slow] = {"how often the token here has come in a row": run}
    found: dict[str, Slow] = {
        "the token before this row of equal ones": lambda row, place: row.at(place - run(row, place)),
        "whether the token here stood before": lambda row, place: int(bool(earlier(row, place))),
        "whether one place back is the first letter of its kind": lambda row, place: int(
            place > 0 and is_new(row, place - 1)
        ),
        "how far back the token here stood before": lambda row, place: (
            place - max(earlier(row, place), default=place + 1)
        ),
        "how many different letters so far": lambda row, place: len(
            {row.tokens[each] for each in range(place + 1) if row.letter(each)}
        ),
        "the letter that was first to come most often so far": leader,
        "the most frequent letter so far, of several the first": lambda row, place: mode(
            case, row.tokens[: place + 1]
        ),
        "the most frequent letter in all, of several the first": lambda row, place: mode(case, row.tokens),
    }
    for words, places in stretches(case).items():
        found[f"how many times the token here stands {words}"] = lambda row, place, places=places: sum(
            row.tokens[each] == row.tokens[place] for each in places(row, place)
        )
    for word, shift in (("behind", 1), ("before", -1)):
        found[f"the token {word} the latest earlier one like here"] = lambda row, place, shift=shift: beside(
            row, max(earlier(row, place), default=None), shift
        )
        found[f"the token {word} the first earlier one like here"] = lambda row, place, shift=shift: beside(
            row, min(earlier(row, place), default=None), shift
        )
        found[f"the token {word} the latest earlier one like here, all anchors being alike"] = (
            lambda row, place, shift=shift: beside(row, max(alike(row, place), default=None), shift)
        )
    return found | with_derived(quantities)


@pytest.mark.parametrize("name", CASES)
def test_repeats_are_what_a_loop_finds(name: str):
    check(CASES[name], repeats(CASES[name].scope), slow(CASES[name]))


def test_what_stands_behind_an_earlier_one_takes_two_layers():
    depths = {concept.name: concept.depth for concept in repeats(CASES["lists"].scope)}
    assert depths["the token behind the latest earlier one like here"] == 2
    assert depths["whether the token here stood before"] == 1
