"""Labels, answered places and concepts of reversal, against slow obvious versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.tasks.reversal import ALPHABET, Reversal

TASK = Reversal()
strings = st.lists(st.text(ALPHABET, min_size=2, max_size=10), min_size=1, max_size=5)


def words(string: str) -> list[str]:
    return ["<bos>", *string, "<sep>", *"".join(reversed(string))]


@given(strings)
def test_tokens_are_the_string_and_its_reverse_and_padding(given: list[str]):
    tokens = TASK.encode(given)
    for row, string in zip(tokens, given, strict=True):
        assert TASK.words(row) == words(string) + ["<pad>"] * (22 - len(words(string)))


@given(strings)
def test_from_sep_on_each_position_but_the_last_is_answered_with_the_next_token(given: list[str]):
    examples = TASK.examples(TASK.encode(given))
    expected = []
    for example, string in enumerate(given):
        shown = words(string)
        places = range(shown.index("<sep>"), len(shown) - 1)
        expected += [(example, position, shown[position + 1]) for position in places]
    answers = [TASK.classes[label] for label in examples.labels.tolist()]
    found = zip(examples.row_example.tolist(), examples.row_position.tolist(), answers, strict=True)
    assert list(found) == expected


@given(strings)
def test_the_mirror_of_an_answer_holds_it_and_counts_what_is_left(given: list[str]):
    examples = TASK.examples(TASK.encode(given))
    assert examples.concepts["length"].tolist() == [len(string) for string in given]
    mirrors = examples.concepts["mirror"]
    assert (mirrors[~examples.answered] == 0).all()
    mirror = examples.at_answers(mirrors)
    assert examples.tokens[examples.row_example, mirror].tolist() == examples.labels.tolist()
    assert mirror.tolist() == [left for string in given for left in range(len(string), 0, -1)]


def test_every_length_is_as_likely():
    lengths = TASK.sample(45_000, seed=0).concepts["length"].bincount(minlength=11)
    assert lengths[:2].sum() == 0
    # 99.99 % point of chi-square with 8 degrees of freedom.
    assert ((lengths[2:] - 5000.0) ** 2 / 5000).sum() < 31.8


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (2, "2 or 3 letters"),
        (3, "2 or 3 letters"),
        (4, "4 or 5 letters"),
        (5, "4 or 5 letters"),
        (6, "6 or 7 letters"),
        (7, "6 or 7 letters"),
        (8, "8 to 10 letters"),
        (10, "8 to 10 letters"),
    ],
)
def test_kinds_are_lengths(length: int, kind: str):
    groups = TASK.groups(TASK.examples(TASK.encode(["a" * length])))
    assert [name for name, mask in groups.items() if mask.item()] == [kind]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a", "'a' has 1 letters: give 2 to 10"),
        ("abcabcabcab", "'abcabcabcab' has 11 letters: give 2 to 10"),
        ("abz", "'abz' has 'z': the letters are abcdefghij"),
        (["a", "b"], r"\['a', 'b'\] is no string"),
    ],
)
def test_encode_names_what_is_no_input(value: object, message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode(["ab", value])


def test_nothing_encodes_to_no_rows():
    assert TASK.encode([]).shape == (0, 22)
