"""The first letter that occurs once, against counting in strings; and how such strings are drawn."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.tasks.first_unique import FirstUnique

TASK = FirstUnique()


def slow_answer(string: str) -> str:
    for letter in string:
        if string.count(letter) == 1:
            return letter
    return "none"


def test_labels_of_all_strings_of_3_letters_are_those_of_counting():
    strings = ["".join(letters) for letters in product("abc", repeat=8)]
    labels = TASK.label(TASK.encode(strings))
    assert [TASK.classes[label] for label in labels.tolist()] == [slow_answer(string) for string in strings]


@given(st.text("abcdefgh", min_size=8, max_size=8))
def test_labels_and_concepts_of_any_string_are_those_of_counting(string: str):
    examples = TASK.examples(TASK.encode([string]))
    counts = [string.count(letter) for letter in string]
    assert TASK.words(examples.tokens[0]) == ["<start>", *string]
    assert TASK.classes[examples.labels.item()] == slow_answer(string)
    assert examples.concepts["count"].tolist() == [[0, *counts]]
    assert examples.concepts["unique"].tolist() == [[False, *(count == 1 for count in counts)]]
    assert examples.concepts["n_unique"].tolist() == [counts.count(1)]
    place = counts.index(1) + 1 if 1 in counts else 0
    assert examples.concepts["place"].tolist() == [place]
    assert TASK.offending(examples.tokens[0]).nonzero().flatten().tolist() == ([place] if place else [])


@pytest.mark.parametrize(
    ("string", "kind"),
    [
        ("aabbccdd", "none"),
        ("abbccddd", "the first letter"),
        ("babbccdd", "the second letter"),
        ("bbaccddd", "letter 3 or 4"),
        ("bbbaccdd", "letter 3 or 4"),
        ("bbbbaccc", "letter 5 to 8"),
        ("bbbbccca", "letter 5 to 8"),
    ],
)
def test_kinds_are_told_apart_by_where_the_answer_stands(string: str, kind: str):
    groups = TASK.groups(TASK.examples(TASK.encode([string])))
    assert [name for name, mask in groups.items() if mask.item()] == [kind]


def test_letters_that_occur_once_are_as_many_as_wished_and_answers_stand_at_every_place():
    examples = TASK.sample(40_000, seed=0)
    shares = (examples.concepts["n_unique"].bincount(minlength=9) / 40_000).tolist()
    assert shares == pytest.approx([0.25, 0.3, 0.15, 0.1, 0.1, 0.05, 0.025, 0, 0.025], abs=0.01)
    places = examples.concepts["place"].bincount(minlength=9) / 40_000
    assert places.min() > 0.03


def test_no_letter_is_preferred():
    counts = TASK.sample(40_000, seed=0).labels.bincount(minlength=9)[:8].float()
    # 99.99 % point of chi-square with 7 degrees of freedom.
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 29.9


def test_every_way_to_share_8_places_among_letters_is_drawn():
    rows = TASK.sample(40_000, seed=0).tokens[:, 1:].tolist()
    shapes = {tuple(sorted(row.count(letter) for letter in set(row))) for row in rows}
    # The partitions of 8, all 22.
    assert len(shapes) == 22


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "'abc' has 3 letters: give 8"),
        ("abcdefgi", "has 'i': the letters are abcdefgh"),
        (7, "no string"),
    ],
)
def test_encode_names_what_is_no_input(value: object, message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode([value])


def test_nothing_encodes_to_no_rows():
    assert TASK.encode([]).shape == (0, 9)
