"""What is an answer, and what is none: for one class and for a set of classes."""

from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.interventions.metrics import accuracy
from algoscope.tasks.answers import check_labels, right
from algoscope.tasks.reversal import Reversal

LOGITS = torch.tensor([[3.0, 1.0, -1.0], [-1.0, 2.0, 1.0]])


def test_the_highest_logit_answers_and_a_set_takes_every_logit_above_0():
    assert right(LOGITS, torch.tensor([0, 2])).tolist() == [True, False]
    assert right(LOGITS, torch.tensor([[True, True, False], [False, True, False]])).tolist() == [True, False]


@pytest.mark.parametrize("labels", [[0, 3], [-1, 1]])
def test_a_label_that_is_no_class_is_refused_rather_than_wrong(labels):
    labels = torch.tensor(labels)
    for call in (lambda: right(LOGITS, labels), lambda: accuracy(LOGITS[None], LOGITS, labels)):
        with pytest.raises(UserError, match=f"labels reach from {labels.min()} to {labels.max()}: .* 0 to 2"):
            call()


def test_a_set_of_another_number_of_classes_is_refused():
    with pytest.raises(
        UserError, match=r"labels are bool \[2, 2\]: give one yes or no for each of 3 classes"
    ):
        right(LOGITS, torch.ones(2, 2, dtype=torch.bool))


def test_no_answers_have_no_labels_to_refuse():
    check_labels(torch.zeros(0, dtype=torch.long), 3)
    assert right(LOGITS[:0], torch.zeros(0, dtype=torch.long)).shape == (0,)


class BeyondItsClasses(Reversal):
    def label(self, tokens):
        return super().label(tokens) + 1000


def test_examples_of_a_task_whose_labels_are_none_of_its_classes_are_refused():
    tokens = Reversal().sample(3, seed=0).tokens
    with pytest.raises(UserError, match=r"labels reach from 10\d\d to 10\d\d: there are the classes 0 to"):
        BeyondItsClasses().examples(tokens)
