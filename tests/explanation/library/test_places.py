from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, check, part_name, with_derived

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.places import places
from algoscope.explanation.library.scope import UNSEEN


def left_over(row: Row, place: int) -> int:
    here = row.begins(place)
    if here <= 0:
        return UNSEEN
    letters_before = here - 1 - row.begins(here - 1)
    return letters_before - (place - here)


def length_of(case: Case, part: int) -> Slow:
    """How many letters stand between two anchors, once the second has been seen."""

    def of(row: Row, place: int) -> int:
        end = row.tokens.index(case.language.anchors[part])
        if case.language.causal and place < end:
            return UNSEEN
        return sum(row.letter(each) and row.segment(each) == part for each in range(len(row)))

    return of


def slow(case: Case) -> dict[str, Slow]:
    quantities: dict[str, Slow] = {
        "the place": lambda row, place: place,
        "the position": lambda row, place: row.ids[place],
        "the position of the start": lambda row, place: row.ids[0],
        "the place in this part": lambda row, place: place - max(row.begins(place), 0),
        "how many places follow": lambda row, place: len(row) - 1 - place,
        "the length": lambda row, place: len(row),
    }
    for part, anchor in enumerate(case.language.anchors):
        name = f"how long the part before {case.word(anchor)} is"
        quantities[name] = length_of(case, part)
    return {
        **with_derived(quantities),
        "how many more letters the part before has than this one so far": left_over,
        "whether a letter is here": lambda row, place: int(row.letter(place)),
        "how many anchors have been passed": lambda row, place: row.segment(place),
        "whether this is the first letter of its part": lambda row, place: int(
            row.letter(place) and (place == 0 or row.anchor(place - 1))
        ),
        "whether this is the last letter of its part": lambda row, place: int(
            row.letter(place) and (place == len(row) - 1 or row.anchor(place + 1))
        ),
    }


@pytest.mark.parametrize("name", CASES)
def test_places_are_what_a_loop_counts(name: str):
    check(CASES[name], places(CASES[name].scope), slow(CASES[name]))


def test_the_place_is_in_its_embedding_unless_that_begins_elsewhere():
    for name, sees, depth in (("brackets", Sees.HERE, 0), ("lists", Sees.BEFORE, 1)):
        (place,) = (concept for concept in places(CASES[name].scope) if concept.name == "the place")
        assert (place.sees, place.depth) == (sees, depth)


def test_lengths_are_concepts_only_where_they_differ():
    assert not any("how long" in concept.name for concept in places(CASES["fixed"].scope))
    lists = {concept.name for concept in places(CASES["lists"].scope)}
    assert "how long the part before | is" in lists
    # A causal model sees the end of the last part when nothing is left to be said.
    assert "how long the part before E is" not in lists


def test_parts_have_the_names_of_the_anchors_before_them():
    case = CASES["added"]
    assert [case.scope.part(part) for part in range(3)] == [part_name(case, part) for part in range(3)]
    assert case.scope.parts == (0, 1, 2)
