from __future__ import annotations

import math

import pytest
import torch

from algoscope.analysis.accuracy import all_right, answer_logits, score, score_by_group, score_by_number
from algoscope.tasks.task import Examples

# Three inputs with two, no and one answer: at places that differ, as after a separator.
ANSWERED = torch.tensor([[False, True, True], [False, False, False], [True, False, False]])
LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])


def scattered(labels) -> Examples:
    return Examples(torch.zeros(3, 3, dtype=torch.long), torch.as_tensor(labels), {}, ANSWERED)


def test_accuracy_and_loss_are_those_counted_by_hand():
    found = score(LOGITS, torch.tensor([0, 1, 1]))
    losses = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1)), math.log(1 + math.exp(3))]
    assert (found.right, found.count) == (2, 3)
    assert math.isclose(found.accuracy, 2 / 3)
    assert math.isclose(found.loss, sum(losses) / 3, rel_tol=1e-6)


def test_a_set_is_right_only_as_a_whole_and_its_loss_adds_its_classes_up():
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.5]])
    found = score(logits, torch.tensor([[True, False], [True, False]]))
    losses = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1)), *2 * [math.log(1 + math.exp(-0.5))]]
    assert (found.right, found.count) == (1, 2)
    assert math.isclose(found.loss, (sum(losses) + 0.5) / 2, rel_tol=1e-6)


def test_no_answers_have_no_score():
    assert score(LOGITS[:0], torch.zeros(0, dtype=torch.long)) is None


def test_a_group_counts_the_answers_of_its_examples_and_none_where_it_is_empty():
    groups = {
        "first": torch.tensor([True, False, False]),
        "others": torch.tensor([False, True, True]),
        "none": torch.tensor([False, True, False]),
    }
    found = score_by_group(LOGITS, scattered([0, 0, 0]), groups)
    assert (found["first"].right, found["first"].count) == (1, 2)
    assert (found["others"].right, found["others"].count) == (1, 1)
    assert found["none"] is None


def test_answers_are_numbered_within_their_input():
    found = score_by_number(LOGITS, scattered([0, 0, 1]))
    assert {number: (each.right, each.count) for number, each in found.items()} == {0: (1, 2), 1: (0, 1)}


def test_an_input_is_all_right_if_none_of_its_answers_is_wrong():
    correct = torch.tensor([True, False, True])
    assert all_right(correct, scattered([0, 0, 0])).tolist() == [False, True, True]


def test_answer_logits_are_the_models_at_the_answer(small, strings):
    torch.testing.assert_close(answer_logits(small, strings), small(strings.tokens)[:, 0], atol=1e-5, rtol=0)


def test_answer_logits_are_the_models_wherever_each_input_is_answered(small, strings):
    answered = strings.tokens == 3
    answered[1] = False
    examples = Examples(strings.tokens, torch.zeros(int(answered.sum()), dtype=torch.long), {}, answered)
    rows = [
        small(strings.tokens[example : example + 1])[0, position] for example, position in answered.nonzero()
    ]
    torch.testing.assert_close(answer_logits(small, examples), torch.stack(rows), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("offset", [0, 2])
def test_answer_logits_start_at_the_position_that_the_example_says(normless_model, offset):
    tokens = torch.tensor([[1, 2], [3, 0]])
    ids = torch.tensor([[0, 1], [offset, offset + 1]])
    answered = torch.tensor([[False, True], [False, True]])
    examples = Examples(tokens, torch.tensor([0, 1]), {}, answered, ids)
    moved = normless_model(tokens, position_ids=ids)[:, 1]
    torch.testing.assert_close(answer_logits(normless_model, examples), moved)
    if offset:
        assert (answer_logits(normless_model, examples)[1] - normless_model(tokens)[1, 1]).abs().max() > 0.01


def test_the_public_models_logits_are_golden_and_all_5000_answers_right(public):
    logits = answer_logits(public.model, public.examples)
    torch.testing.assert_close(logits, public.tensors["logits_pos0_5000"], atol=5e-5, rtol=0)
    found = score(logits, public.examples.labels)
    assert found.right == 5000
    assert math.isclose(found.loss, public.values["loss_5000"]["value"], abs_tol=1e-5)
