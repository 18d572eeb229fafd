from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.explanation.library.languages import CASES, Case, Row, stretches

from algoscope.explanation.library.shares import ONE, shares
from algoscope.explanation.library.stretches import SO_FAR

Exact = Callable[[Row, int], Fraction | None]


def slow(case: Case) -> dict[str, Exact]:
    found: dict[str, Exact] = {}
    for words, places in stretches(case).items():
        for kind in ("letters", "tokens"):

            def share(
                row: Row, place: int, one: int, other: int = -1, places: object = places, kind: str = kind
            ) -> Fraction | None:
                there = [each for each in places(row, place) if kind == "tokens" or row.letter(each)]  # type: ignore[operator]
                weights = [(row.tokens[each] == one) - (row.tokens[each] == other) for each in there]
                return Fraction(sum(weights), len(there)) if there else None

            for one, word in case.letters:
                found[f"the share of {word} among the {kind} {words}"] = (
                    lambda row, place, one=one, share=share: share(row, place, one)
                )
            for (one, first), (other, second) in combinations(case.letters, 2):
                found[f"the share of {first} less that of {second} among the {kind} {words}"] = (
                    lambda row, place, one=one, other=other, share=share: share(row, place, one, other)
                )
    return found


@pytest.mark.parametrize("name", CASES)
def test_shares_are_exact_fractions_in_order(name: str):
    case = CASES[name]
    exact = slow(case)
    for concept in shares(case.scope):
        codes: dict[Fraction | None, set[int]] = defaultdict(set)
        for row, found in zip(case.rows, concept.of(case.inputs).tolist(), strict=True):
            for place in range(len(row)):
                codes[exact[concept.name](row, place)].add(found[place])
        assert all(len(each) == 1 for each in codes.values()), concept.name
        none = codes.pop(None, {-2 * ONE})
        assert none == {-2 * ONE}
        in_order = [
            next(iter(codes[share])) for share in sorted(share for share in codes if share is not None)
        ]
        assert in_order == sorted(set(in_order)), concept.name


@given(st.integers(1, 1024), st.integers(1, 1024), st.data())
def test_no_two_shares_among_up_to_1024_places_have_one_code(one: int, other: int, data: st.DataObject):
    left, right = data.draw(st.integers(0, one)), data.draw(st.integers(0, other))
    codes = left * ONE // one, right * ONE // other
    assert (codes[0] < codes[1]) == (Fraction(left, one) < Fraction(right, other))
    assert (codes[0] == codes[1]) == (Fraction(left, one) == Fraction(right, other))


def test_of_two_letters_one_share_among_letters_says_all():
    names = {concept.name for concept in shares(CASES["brackets"].scope)}
    assert "the share of ( among the letters so far" in names
    assert "the share of ) among the letters so far" not in names
    assert "the share of ) among the tokens so far" in names


def test_a_half_is_written_as_half_of_one():
    case = CASES["brackets"]
    (share,) = (each for each in shares(case.scope) if each.name == "the share of ( among the tokens so far")
    first_open = case.inputs.tokens[:, 1] == 0
    assert SO_FAR.count(case.inputs, torch.ones_like(case.inputs.tokens))[0, 1] == 2
    assert set(share.of(case.inputs)[first_open, 1].tolist()) == {ONE // 2}
