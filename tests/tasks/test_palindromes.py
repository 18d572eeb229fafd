"""Labels, concepts, sampling and encoding of palindromes, against slow obvious versions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from algoscope.errors import UserError
from algoscope.tasks.palindromes import Palindromes, arena_sample, broken_at, mirrored_changes, mismatch

TASK = Palindromes()
halves = st.lists(st.integers(0, 30), min_size=10, max_size=10)
sequences = st.lists(st.integers(0, 30), min_size=20, max_size=20)


@given(halves, st.lists(st.integers(0, 9)))
def test_labels_and_concepts_are_those_of_comparing_with_the_reverse(half: list[int], changed: list[int]):
    numbers = half + half[::-1]
    for place in changed:
        numbers[place] = 7
    tokens = TASK.encode([numbers])
    differs = [a != b for a, b in zip(numbers, reversed(numbers), strict=True)]
    assert TASK.label(tokens).tolist() == [numbers == numbers[::-1]]
    concepts = TASK.concepts(tokens)
    assert concepts["mismatch"].tolist() == [[False, *differs, False]]
    assert concepts["n_mismatches"].tolist() == [sum(differs[:10])]
    assert TASK.offending(tokens[0]).tolist() == [False, *differs, False]


@given(sequences)
def test_tokens_are_start_numbers_end_however_the_numbers_are_written(numbers: list[int]):
    spaced, commas = " ".join(map(str, numbers)), ", ".join(map(str, numbers))
    assert TASK.encode([numbers, spaced, commas]).tolist() == [[31, *numbers, 32]] * 3


def test_half_are_palindromes_and_each_number_of_mismatches_is_as_common_among_the_others():
    examples = TASK.sample(40_001, seed=0)
    counts = examples.concepts["n_mismatches"].bincount()
    assert counts[0] == examples.labels.sum() == 20_000
    assert len(counts) == 11
    # 99.99 % point of chi-square with 9 degrees of freedom.
    expected = 20_001 / 10
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 33.7


def test_mismatches_are_as_common_in_every_pair_and_palindromes_come_in_no_order():
    examples = TASK.sample(20_000, seed=1)
    share = examples.concepts["mismatch"][examples.labels == 0].float().mean(0)[1:-1]
    torch.testing.assert_close(share, torch.full((20,), 0.55), atol=0.02, rtol=0)
    assert examples.labels[:10_000].float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_gives_the_same_examples_whatever_else_is_random():
    first = TASK.sample(100, seed=3)
    torch.manual_seed(99)
    assert torch.equal(first.tokens, TASK.sample(100, seed=3).tokens)
    assert not torch.equal(first.tokens, TASK.sample(100, seed=4).tokens)


@pytest.mark.parametrize("n", [0, 1])
def test_tiny_samples_hold_no_palindrome(n: int):
    assert TASK.sample(n, seed=0).labels.tolist() == [0] * n


def test_groups_are_the_two_classes():
    examples = TASK.sample(50, seed=0)
    groups = TASK.groups(examples)
    assert list(groups) == ["not palindrome", "palindrome"]
    assert torch.equal(groups["palindrome"], ~groups["not palindrome"])


@pytest.mark.parametrize("size", [100, 500])
def test_the_published_data_set_comes_out_number_by_number(reference: Path, size: int):
    golden = load_file(reference / "golden/palindromes.safetensors")
    examples = arena_sample(size)
    assert torch.equal(examples.tokens, golden[f"toks_{size}"])
    assert torch.equal(examples.labels, golden[f"is_palindrome_{size}"])


@pytest.mark.parametrize("size", [0, 7, -2])
def test_the_published_data_set_has_an_even_size(size: int):
    with pytest.raises(UserError, match=f"size is {size}"):
        arena_sample(size)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("1 2 3", "takes a list of inputs: write"),
        ([[1] * 19], "has 19 numbers: give 20"),
        ([[1] * 19 + [31]], "has 31: the numbers are whole ones from 0 to 30"),
        ([[1] * 19 + [-1]], "has -1"),
        ([[1] * 19 + [1.5]], "has 1.5"),
        ([[1] * 19 + [True]], "has True"),
        (["1 " * 19 + "x"], "has 'x'"),
        ([""], "has 0 numbers: give 20"),
        ([None], "None is no sequence: give 20 numbers"),
    ],
)
def test_encode_names_the_first_input_that_is_none(inputs: list[object], message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode(inputs)


@given(
    st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=4), st.integers(0, 99)
)
def test_sequences_are_broken_at_the_marked_pairs_and_only_there(marks, seed):
    tokens = broken_at(torch.tensor(marks), seed).tokens
    for row, wanted in zip(tokens.tolist(), marks, strict=True):
        assert [row[1 + pair] != row[20 - pair] for pair in range(10)] == wanted


def test_marks_for_another_number_of_pairs_are_an_error():
    with pytest.raises(UserError, match=r"broken is \[2, 9\]: give \[batch, 10\]"):
        broken_at(torch.zeros(2, 9, dtype=torch.bool), seed=0)


broken_pairs = st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=5)


@given(broken_pairs, st.integers(0, 99))
def test_mirrored_changes_break_no_pair_and_mend_none(broken, seed):
    tokens = broken_at(torch.tensor(broken), seed).tokens
    changed = mirrored_changes(tokens, torch.Generator().manual_seed(seed))
    assert torch.equal(mismatch(changed), mismatch(tokens))
    assert ((changed != tokens).sum(1) <= 2).all()


def test_neighbours_break_or_mend_a_pair_or_change_both_of_one():
    tokens = TASK.sample(400, 0).tokens
    new = TASK.neighbours(tokens, torch.Generator().manual_seed(0))
    changed, faults = (new != tokens).sum(1), (mismatch(new).sum(1) - mismatch(tokens).sum(1)) // 2
    assert set(changed.tolist()) == {0, 1, 2}
    assert set(faults.tolist()) == {-1, 0, 1}
    assert (faults[changed != 1] == 0).all()
    assert 120 < int((changed == 2).sum()) < 240


def test_contrasts_differ_in_one_number_that_breaks_each_pair_as_often():
    broken, whole = TASK.contrasts(50, seed=0)
    differ = (broken.tokens != whole.tokens).nonzero()
    assert differ[:, 0].tolist() == list(range(50))
    assert differ[:, 1].bincount(minlength=22).tolist() == [0] * 11 + [5] * 10 + [0]
    assert (broken.labels == 0).all()
    assert (whole.labels == 1).all()
