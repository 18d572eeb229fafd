from __future__ import annotations

import math

import torch

from algoscope.analysis.accuracy import answer_logits, score, score_by_group
from algoscope.tasks.task import Examples


def examples_with(labels: list[int] | list[list[int]]) -> Examples:
    labels = torch.tensor(labels)
    return Examples(torch.zeros(len(labels), 3, dtype=torch.long), labels, {}, 0)


def test_accuracy_and_loss_are_those_counted_by_hand():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    found = score(logits, examples_with([0, 1, 1]))
    losses = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1)), math.log(1 + math.exp(3))]
    assert (found.right, found.count) == (2, 3)
    assert math.isclose(found.accuracy, 2 / 3)
    assert math.isclose(found.loss, sum(losses) / 3, rel_tol=1e-6)


def test_an_input_with_several_answers_counts_each():
    logits = torch.eye(3)[torch.tensor([[0, 1], [2, 2]])]
    assert score(logits, examples_with([[0, 1], [2, 0]])).accuracy == 3 / 4


def test_a_group_without_examples_has_no_score():
    logits = torch.tensor([[2.0, 0.0]])
    groups = {"some": torch.tensor([True]), "none": torch.tensor([False])}
    found = score_by_group(logits, examples_with([0]), groups)
    assert found["none"] is None
    assert found["some"].accuracy == 1


def test_answer_logits_are_the_models_at_the_answer(small, strings):
    torch.testing.assert_close(answer_logits(small, strings), small(strings.tokens)[:, 0], atol=1e-5, rtol=0)


def test_the_public_models_logits_are_golden_and_all_5000_answers_right(public):
    logits = answer_logits(public.model, public.examples)
    torch.testing.assert_close(logits, public.tensors["logits_pos0_5000"], atol=5e-5, rtol=0)
    found = score(logits, public.examples)
    assert found.right == 5000
    assert math.isclose(found.loss, public.values["loss_5000"]["value"], abs_tol=1e-5)
