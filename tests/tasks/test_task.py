"""Examples: slices, masks, batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.reversal import Reversal
from algoscope.tasks.task import Examples


@pytest.fixture
def examples() -> Examples:
    return Brackets().sample(10, seed=0)


def same(left: Examples, right: Examples) -> bool:
    values = [(left.tokens, right.tokens), (left.labels, right.labels)]
    values += [(left.concepts[name], right.concepts[name]) for name in left.concepts]
    values.append((left.answered, right.answered))
    return all(torch.equal(a, b) for a, b in values)


def test_a_slice_a_mask_and_indices_pick_the_same_rows(examples: Examples):
    mask = torch.zeros(10, dtype=torch.bool)
    mask[[2, 3]] = True
    assert same(examples[2:4], examples[mask])
    assert same(examples[2:4], examples[[2, 3]])
    assert same(examples[2:4], examples[torch.tensor([2, 3])])


def test_rows_keep_their_own_labels_and_concepts(examples: Examples):
    picked = examples[[7, 1]]
    assert same(picked, Brackets().examples(examples.tokens[[7, 1]]))


def test_batches_cover_every_example_once_in_order(examples: Examples):
    parts = list(examples.batches(4))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert torch.equal(torch.cat([part.tokens for part in parts]), examples.tokens)


@pytest.mark.parametrize("rows", [[], slice(0, 0), torch.zeros(10, dtype=torch.bool)])
def test_no_rows_are_examples_too(examples: Examples, rows: object):
    assert len(examples[rows]) == 0


@pytest.mark.parametrize("row", [3, torch.tensor(3)])
def test_one_row_is_an_error_that_says_what_to_write(examples: Examples, row: object):
    with pytest.raises(TypeError, match="write examples"):
        examples[row]


def test_a_concept_of_another_length_is_an_error():
    tokens = torch.zeros(3, 2, dtype=torch.long)
    answered = torch.tensor([[True, False]] * 3)
    with pytest.raises(UserError, match="colour has 2 rows for 3 inputs"):
        Examples(tokens, torch.zeros(3).long(), {"colour": torch.zeros(2)}, answered)
    with pytest.raises(UserError, match="labels has 2 rows for 3 answers"):
        Examples(tokens, torch.zeros(2).long(), {}, answered)


def test_show_takes_one_input(examples: Examples):
    with pytest.raises(UserError, match="index the batch first"):
        Brackets().show(examples.tokens)


class OneLetterLess(Reversal):
    """Its neighbours have lost a letter, where they had three or more."""

    name = "less"

    def neighbours(self, tokens, generator):
        strings = ["".join(word for word in self.words(row) if len(word) == 1) for row in tokens]
        halves = [string[: len(string) // 2] for string in strings]
        return self.encode([half[:-1] if len(half) > 2 else half[::-1] for half in halves])


def test_contrasts_without_neighbours_are_inputs_of_a_sample_that_line_up():
    task = registry.get(f"{Path(__file__).with_name('digits.py')}:Digits")
    assert task.neighbours(task.sample(3, seed=0).tokens, torch.Generator()) is None
    first, second = task.contrasts(20, seed=0)
    assert len(first) == len(second) == 20
    sampled = task.sample(80, seed=0).tokens.tolist()
    assert all(row in sampled for row in first.tokens.tolist() + second.tokens.tolist())
    for left, right in zip(first.tokens.tolist(), second.tokens.tolist(), strict=True):
        assert sorted(left) != sorted(right)


def test_neighbours_of_another_length_are_no_contrasts():
    task = OneLetterLess()
    first, second = task.contrasts(20, seed=0)
    assert 5 < len(first) == len(second)
    assert (first.concepts["length"] == 2).all()
    assert torch.equal(first.answered, second.answered)
    for left, right in zip(first.tokens.tolist(), second.tokens.tolist(), strict=True):
        assert left[1] == right[2] != left[2] == right[1]
