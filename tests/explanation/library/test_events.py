from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, stretches

from algoscope.explanation.library.events import events

Happens = Callable[[Row, int], bool]


def happenings(case: Case) -> dict[str, Happens]:
    start = case.scope.start
    found: dict[str, Happens] = {
        "the letter is another than the first": lambda row, place: (
            row.letter(place) and row.tokens[place] != row.tokens[start]
        ),
        "the number is smaller than the one before": lambda row, place: moves(row, place, -1),
        "the number is larger than the one before": lambda row, place: moves(row, place, 1),
    }
    for one, first in case.letters:
        for other, second in case.letters:
            found[f"{second} stands right behind {first}"] = lambda row, place, pair=(one, other): (
                row.tokens[max(place - 1, 0) : place + 1] == pair
            )
            found[f"{second} stands behind some {first}"] = lambda row, place, one=one, other=other: (
                row.tokens[place] == other and one in row.tokens[:place]
            )
            for lead in (1, 2, 3):
                found[f"{first} leads {second} by {lead} or more"] = (
                    lambda row, place, one=one, other=other, lead=lead: (
                        row.letter(place)
                        and row.tokens[: place + 1].count(one) >= row.tokens[: place + 1].count(other) + lead
                    )
                )
    return found


def moves(row: Row, place: int, way: int) -> bool:
    if place == 0 or row.anchor(place) or row.anchor(place - 1):
        return False
    return (row.tokens[place] - row.tokens[place - 1]) * way > 0


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {}
    for words, happens in happenings(case).items():
        found[f"whether here {words}"] = lambda row, place, happens=happens: int(happens(row, place))
        for stretch, places in stretches(case).items():
            found[f"at how many places {stretch} {words}"] = (
                lambda row, place, happens=happens, places=places: sum(
                    happens(row, each) for each in places(row, place)
                )
            )
    return found


@pytest.mark.parametrize("name", CASES)
def test_events_happen_where_a_loop_says_so(name: str):
    check(CASES[name], events(CASES[name].scope), slow(CASES[name]))


def test_how_often_something_happened_takes_a_layer_more_than_whether_it_does():
    depths = {concept.name: concept.depth for concept in events(CASES["growing"].scope)}
    assert depths["whether here b stands right behind a"] == 1
    assert depths["at how many places so far b stands right behind a"] == 2
