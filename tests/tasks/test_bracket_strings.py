"""The sampler's kinds and their mix."""

from __future__ import annotations

from dataclasses import asdict, fields
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.bracket_strings import KINDS, Mix
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples


def only(kind: str) -> Brackets:
    return Brackets(Mix(**{field.name: float(field.name == kind) for field in fields(Mix)}))


def drawn(kind: str, length: int, n: int) -> list[str]:
    generator = torch.Generator().manual_seed(0)
    opens = KINDS[kind](torch.full((n,), length), generator)[:, :length]
    return ["".join("(" if is_open else ")" for is_open in row) for row in opens.tolist()]


def is_balanced(string: str) -> bool:
    while "()" in string:
        string = string.replace("()", "")
    return not string


def dyck_words(length: int) -> list[str]:
    return [word for word in map("".join, product("()", repeat=length)) if is_balanced(word)]


def distance(string: str, other: str) -> int:
    return sum(a != b for a, b in zip(string, other, strict=True))


def chi_square(counts: Tensor) -> float:
    expected = counts.sum() / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.fixture(scope="module")
def large() -> Examples:
    return Brackets().sample(50_000, seed=0)


def test_no_failure_class_is_rarer_than_one_in_twenty(large: Examples):
    shares = {name: float(mask.float().mean()) for name, mask in Brackets().groups(large).items()}
    assert min(shares.values()) > 0.05
    assert 0.4 < shares["balanced"] < 0.45


def test_every_even_length_is_as_likely(large: Examples):
    lengths = (large.tokens >= 3).sum(1)
    counts = lengths.bincount(minlength=41)
    assert counts[1::2].sum() == 0
    assert counts[0] == 0
    # 99.99 % point of chi-square with 19 degrees of freedom.
    assert chi_square(counts[2::2].float()) < 50.8


def test_the_same_seed_gives_the_same_examples_whatever_else_is_random():
    first = Brackets().sample(100, seed=3)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again = Brackets().sample(100, seed=3)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first.tokens, Brackets().sample(100, seed=4).tokens)


@given(st.integers(0, 20), st.integers(0, 2**31))
def test_samples_are_well_formed_inputs(n: int, seed: int):
    examples = Brackets().sample(n, seed)
    strings = ["".join(Brackets.vocabulary[t] for t in row if t >= 3) for row in examples.tokens.tolist()]
    assert torch.equal(Brackets().encode(strings), examples.tokens)
    assert examples.labels.tolist() == [is_balanced(string) for string in strings]


def test_dyck_words_of_length_8_are_uniform():
    words = dyck_words(8)
    assert len(words) == 14
    sample = drawn("dyck", 8, 28_000)
    assert set(sample) == set(words)
    # 99.99 % point of chi-square with 13 degrees of freedom.
    assert chi_square(torch.tensor([float(sample.count(word)) for word in words])) < 39.9


def test_long_dyck_words_are_balanced():
    assert all(is_balanced(word) for word in drawn("dyck", 40, 500))


@pytest.mark.parametrize(("kind", "flips"), [("one_flipped", 1), ("two_flipped", 2)])
def test_flipped_strings_are_that_many_brackets_from_a_balanced_one(kind: str, flips: int):
    words = dyck_words(8)
    for string in set(drawn(kind, 8, 500)):
        assert any(distance(string, word) == flips for word in words)


def test_swapped_strings_keep_their_counts_and_differ_in_two_places():
    words = dyck_words(8)
    for string in set(drawn("two_swapped", 8, 500)):
        assert string.count("(") == 4
        assert any(distance(string, word) == 2 for word in words)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random"])
def test_strings_of_two_brackets_exist_for_each_kind(kind: str):
    expected = {
        "dyck": {"()"},
        "one_flipped": {"((", "))"},
        "two_flipped": {")("},
        "two_swapped": {")("},
        "shuffled": {"()", ")("},
    }
    assert set(drawn(kind, 2, 100)) == expected[kind]


def test_shuffled_strings_are_uniform_among_those_with_equal_counts():
    sample = drawn("shuffled", 6, 20_000)
    words = [word for word in map("".join, product("()", repeat=6)) if word.count("(") == 3]
    # 99.99 % point of chi-square with 19 degrees of freedom.
    assert chi_square(torch.tensor([float(sample.count(word)) for word in words])) < 50.8


def test_random_strings_are_uniform_among_all():
    sample = drawn("random", 4, 16_000)
    words = ["".join(word) for word in product("()", repeat=4)]
    # 99.99 % point of chi-square with 15 degrees of freedom.
    assert chi_square(torch.tensor([float(sample.count(word)) for word in words])) < 43.9


def test_the_mix_sets_how_often_a_kind_is_drawn():
    task = Brackets(Mix(dyck=3, one_flipped=1, two_flipped=0, two_swapped=0, random=0, shuffled=0))
    assert task.sample(10_000, seed=0).labels.float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert only("dyck").sample(100, seed=0).labels.all()
    assert not only("one_flipped").sample(100, seed=0).labels.any()


def test_every_kind_has_a_weight():
    assert list(KINDS) == list(asdict(Mix()))
    assert sum(asdict(Mix()).values()) == pytest.approx(1)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "much"])
def test_a_weight_that_is_none_is_named(weight: float):
    with pytest.raises(UserError, match="the mix has dyck="):
        Mix(dyck=weight)


def test_a_mix_of_nothing_is_an_error():
    with pytest.raises(UserError, match="every weight of the mix is 0"):
        Mix(dyck=0, one_flipped=0, two_flipped=0, two_swapped=0, random=0, shuffled=0)
