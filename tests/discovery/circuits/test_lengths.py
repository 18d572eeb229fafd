from __future__ import annotations

import torch

from algoscope.discovery.circuits.lengths import groups, lengths
from algoscope.tasks.task import Examples

from .conftest import random_model

PAD = 6


def examples(tokens: list[list[int]], answered: int) -> Examples:
    where = torch.zeros(len(tokens), len(tokens[0]), dtype=torch.bool)
    where[:, answered] = True
    return Examples(torch.tensor(tokens), torch.zeros(len(tokens), dtype=torch.long), {}, where)


def test_all_that_is_not_padding_or_answered_matters_where_every_place_is_seen():
    some = examples([[1, 2, PAD, PAD], [1, 2, 3, PAD], [1, 2, 3, 4]], 0)
    assert lengths(random_model(0).config, some).tolist() == [2, 3, 4]
    assert lengths(random_model(0, pad_token=None).config, some).tolist() == [4, 4, 4]
    assert lengths(random_model(0).config, examples([[1, PAD, PAD, PAD]], 2)).tolist() == [3]


def test_nothing_after_the_answer_matters_to_a_causal_model():
    causal = random_model(0, attention_dir="causal").config
    assert lengths(causal, examples([[1, 2, 3, 4], [1, PAD, PAD, PAD]], 1)).tolist() == [2, 2]


def test_an_input_that_starts_with_padding_is_left_whole():
    assert lengths(random_model(0).config, examples([[PAD, PAD, PAD, PAD]], 1)).tolist() == [4]


def test_every_input_is_in_one_group_that_is_small_or_its_own():
    length = torch.tensor([3, 9, 1, 3, 4, 20, 2])
    found = list(groups(length, 8))
    assert sorted(number for numbers, _ in found for number in numbers.tolist()) == list(range(7))
    for numbers, longest in found:
        assert longest == length[numbers].max()
        assert len(numbers) == 1 or len(numbers) * longest <= 8
