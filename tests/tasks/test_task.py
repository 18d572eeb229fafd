"""Examples: slices, masks, batches."""

from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks.brackets import Brackets
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
