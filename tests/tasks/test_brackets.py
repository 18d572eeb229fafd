"""Labels, concepts, encoding and display of bracket strings, against slow obvious versions."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from algoscope.errors import UserError
from algoscope.tasks.brackets import CLOSE, END, OPEN, PAD, START, Brackets

TASK = Brackets()
strings = st.text("()", min_size=1, max_size=40)


def is_balanced(text: str) -> bool:
    while "()" in text:
        text = text.replace("()", "")
    return not text


def elevations(text: str) -> list[int]:
    """Elevation of the suffix from each bracket on."""
    return [text[place:].count(")") - text[place:].count("(") for place in range(len(text))]


def short_strings() -> list[str]:
    return ["".join(brackets) for length in range(1, 13) for brackets in product("()", repeat=length)]


def test_labels_of_all_strings_up_to_length_12_are_those_of_cancelling_pairs():
    texts = short_strings()
    assert TASK.label(TASK.encode(texts)).tolist() == [is_balanced(text) for text in texts]


def test_concepts_of_all_strings_up_to_length_12_are_those_of_counting_each_suffix():
    texts = short_strings()
    concepts = TASK.concepts(TASK.encode(texts))
    slow = [elevations(text) for text in texts]
    assert concepts["total_elevation_failure"].tolist() == [steps[0] != 0 for steps in slow]
    assert concepts["negative_failure"].tolist() == [min(steps) < 0 for steps in slow]
    assert concepts["starts_open"].tolist() == [text[0] == "(" for text in texts]
    padded = [[steps[0], *steps, *[0] * (41 - len(steps))] for steps in slow]
    assert concepts["suffix_elevation"].tolist() == padded
    shares = [float(Fraction(text.count("("), len(text))) for text in texts]
    torch.testing.assert_close(concepts["open_proportion"], torch.tensor(shares))


@given(st.lists(strings, min_size=1, max_size=5))
def test_tokens_are_start_brackets_end_and_padding(texts: list[str]):
    ids = {"(": OPEN, ")": CLOSE}
    slow = [[START, *(ids[b] for b in text), END] + [PAD] * (40 - len(text)) for text in texts]
    assert TASK.encode(texts).tolist() == slow


@given(strings)
def test_a_string_is_balanced_exactly_if_no_bracket_is_offending(text: str):
    tokens = TASK.encode([text])
    assert (not TASK.offending(tokens[0]).any()) == bool(TASK.label(tokens))


@given(strings)
def test_offending_brackets_are_what_remains_when_pairs_cancel(text: str):
    places = list(enumerate(text, start=1))
    while True:
        pair = next((i for i in range(len(places) - 1) if places[i][1] + places[i + 1][1] == "()"), None)
        if pair is None:
            break
        del places[pair : pair + 2]
    offending = TASK.offending(TASK.encode([text])[0]).nonzero().flatten().tolist()
    assert offending == [place for place, _ in places]


@given(st.lists(strings, min_size=1, max_size=8))
def test_each_example_is_in_one_group_and_only_balanced_ones_in_that(texts: list[str]):
    examples = TASK.examples(TASK.encode(texts))
    groups = TASK.groups(examples)
    assert list(groups) == ["both failures", "only negative", "only total elevation", "balanced"]
    assert (torch.stack(list(groups.values())).sum(0) == 1).all()
    assert torch.equal(groups["balanced"], examples.labels.bool())


@given(strings, strings)
def test_a_string_is_labelled_the_same_alone_and_beside_another(text: str, other: str):
    assert TASK.label(TASK.encode([text, other]))[0] == TASK.label(TASK.encode([text]))[0]


def test_the_string_is_shown_with_its_brackets_together():
    assert TASK.show(TASK.encode(["(()"])[0]).plain == "[start] (() [end]"


def test_nothing_encodes_to_no_rows():
    assert TASK.encode([]).shape == (0, 42)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("()", r"takes a list of strings: write \['\(\)'\]"),
        (["()", "(a)"], r"'\(a\)' has 'a'"),
        (["()", ""], "an empty string is no input: give 1 to 40 brackets"),
        ([3], "3 is no bracket string"),
        (["()", "(" * 41], r"'\(+…\(+' has 41 brackets: the longest input has 40"),
        (["(（)"], "has '（'"),
    ],
)
def test_encode_names_the_first_input_that_is_none(inputs: list[object], message: str):
    with pytest.raises(UserError, match=message) as caught:
        TASK.encode(inputs)
    assert len(str(caught.value)) < 120


def test_all_labels_of_the_public_data_agree(reference: Path):
    pairs = json.loads(gzip.decompress((reference / "arena/brackets_data.json.gz").read_bytes()))
    labels = TASK.label(TASK.encode([text for text, _ in pairs]))
    assert len(pairs) == 100_000
    assert torch.equal(labels.bool(), torch.tensor([label for _, label in pairs]))


def test_concepts_of_the_public_data_are_the_golden_ones(reference: Path):
    pairs = json.loads(gzip.decompress((reference / "arena/brackets_data.json.gz").read_bytes()))[:5000]
    golden = load_file(reference / "golden/brackets.safetensors")
    examples = TASK.examples(TASK.encode([text for text, _ in pairs]))
    groups = torch.stack(list(TASK.groups(examples).values())).long()
    assert torch.equal(groups.argmax(0), golden["failure_type_5000"])
    assert torch.equal(examples.tokens[:100], golden["toks_100"])
    assert torch.equal(examples.concepts["starts_open"][:100], golden["starts_open_100"])
    torch.testing.assert_close(examples.concepts["open_proportion"][:100], golden["open_proportion_100"])


def test_contrasts_are_balanced_strings_with_one_bracket_turned_or_two_exchanged():
    broken, whole = TASK.contrasts(96, seed=0)
    assert len(broken) == len(whole) == 96
    assert (broken.labels == 0).all()
    assert (whole.labels == 1).all()
    changed = (broken.tokens != whole.tokens).sum(1)
    assert changed.bincount().tolist() == [0, 48, 48]
    assert broken.concepts["total_elevation_failure"].tolist() == (changed == 1).tolist()
    assert torch.equal(broken.tokens == PAD, whole.tokens == PAD)


def test_contrasts_follow_their_seed_and_may_be_few():
    one, same, other = (TASK.contrasts(8, seed)[0].tokens for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(TASK.contrasts(1, 0)[0]) == 1


def test_neighbours_turn_one_or_two_brackets():
    tokens = TASK.sample(300, 0).tokens
    new = TASK.neighbours(tokens, torch.Generator().manual_seed(0))
    changed = (new != tokens).sum(1)
    assert set(changed.tolist()) <= {0, 1, 2}
    assert int((changed == 0).sum()) < 30, "two turns of one bracket are rare"
    assert torch.equal(TASK.encode([text[8:-6] for text in map(plain, new)]), new)


def plain(tokens: torch.Tensor) -> str:
    return TASK.show(tokens).plain
