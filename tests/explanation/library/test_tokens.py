from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES, Case, Row, Slow, case, check

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.tokens import tokens


def back(offset: int) -> str:
    return "one place back" if offset == 1 else f"{offset} places back"


def ahead(offset: int) -> str:
    return "one place ahead" if offset == 1 else f"{offset} places ahead"


def places(case: Case) -> dict[str, Slow]:
    """For each place that is looked at, by its words, where that is."""
    found: dict[str, Slow] = {"at the last place": lambda row, place: len(row) - 1}
    for offset in range(1, 5):
        found[back(offset)] = lambda row, place, offset=offset: place - offset
        found[ahead(offset)] = lambda row, place, offset=offset: place + offset
        found[f"{back(offset)} from the last place"] = lambda row, place, offset=offset: len(row) - 1 - offset
        for anchor in case.language.anchors:
            word = case.word(anchor)
            found[f"{back(offset)} from {word}"] = lambda row, place, anchor=anchor, shift=-offset: by_anchor(
                row, place, anchor, shift
            )
            found[f"{ahead(offset)} of {word}"] = lambda row, place, anchor=anchor, shift=offset: by_anchor(
                row, place, anchor, shift
            )
    for fixed in range(case.inputs.tokens.shape[1]):
        found[f"at place {fixed}"] = lambda row, place, fixed=fixed: fixed
    for words, shift in (("one place back from", -1), ("at", 0), ("one place ahead of", 1)):
        found[f"{words} the mirror image of this place"] = lambda row, place, shift=shift: (
            mirror(row, place) + shift
        )
    return found


def by_anchor(row: Row, place: int, anchor: int, shift: int) -> int:
    """Ahead of all places for a causal model that has not seen the anchor, and can't know that it comes."""
    stands = row.tokens.index(anchor)
    return 1000 if row.language.causal and place < stands else stands + shift


def mirror(row: Row, place: int) -> int:
    return row.ends(place) - (place - row.begins(place))


def slow(case: Case) -> dict[str, Slow]:
    found: dict[str, Slow] = {"the token here": lambda row, place: row.tokens[place]}
    for words, there in places(case).items():

        def token(row: Row, place: int, there: Slow = there) -> int:
            return row.known(there(row, place), place)

        def same(row: Row, place: int, there: Slow = there) -> int:
            other = row.known(there(row, place), place)
            return other if other < 0 else int(other == row.tokens[place])

        found[f"the token {words}"] = token
        found[f"whether the token here is that {words}"] = same
    return found


@pytest.mark.parametrize("name", CASES)
def test_tokens_are_what_a_loop_finds(name: str):
    check(CASES[name], tokens(CASES[name].scope), slow(CASES[name]))


def test_an_input_that_is_short_has_each_of_its_places_offered():
    names = {concept.name for concept in tokens(CASES["fixed"].scope)}
    assert {f"the token at place {place}" for place in range(1, 9)} <= names


def test_a_long_one_has_the_first_and_if_all_are_as_long_the_last():
    names = {concept.name for concept in tokens(CASES["long"].scope)}
    offered = {place for place in range(31) if f"the token at place {place}" in names}
    assert offered == {1, 2, 3, 4, 26, 27, 28, 29, 30}


def test_a_causal_model_is_not_told_of_a_mirror_that_it_cannot_place():
    assert not any("mirror" in concept.name for concept in tokens(CASES["growing"].scope))
    assert any("mirror" in concept.name for concept in tokens(CASES["fixed"].scope))


def test_only_what_lies_ahead_takes_the_whole_input():
    kinds = {concept.name: concept.sees for concept in tokens(CASES["brackets"].scope)}
    assert kinds["the token here"] is Sees.HERE
    assert kinds["the token one place back"] is Sees.BEFORE
    assert kinds["the token one place ahead"] is Sees.ANYWHERE
    assert kinds["the token at the last place"] is Sees.ANYWHERE


def test_a_place_counted_from_a_separator_takes_two_layers_where_positions_shift():
    texts = [["S", "a", "|", "b", "b"], ["S", "a", "b", "|", "a"]]
    for shift, depth in ((0, 1), (5, 2)):
        made = case("", texts, "S|", "ab", causal=True, shift=shift)
        depths = {concept.name: concept.depth for concept in tokens(made.scope)}
        assert depths["the token one place back from |"] == depth
        assert depths["the token one place back"] == 1
        assert depths["the token here"] == 0


def test_a_causal_model_does_not_know_that_a_separator_comes_next():
    made = case("", [["S", "a", "b", "|", "a"], ["S", "b", "|", "b", "b"]], "S|", "ab", causal=True)
    (last,) = (each for each in tokens(made.scope) if each.name == "the token one place back from |")
    assert last.of(made.inputs).tolist() == [[-1, -1, -1, 1, 1], [-1, -1, 1, 1, 1]]
