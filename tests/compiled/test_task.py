from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError


def test_an_answer_is_read_at_every_letter_or_at_the_last(compiled):
    every, last = compiled("last-token").task, compiled("balanced").task
    assert every.answered(every.encode(["ab", "abcabc"])).sum(1).tolist() == [2, 6]
    assert last.examples(last.encode(["()", "(())"])).row_position.tolist() == [2, 4]


def test_rare_answers_are_drawn_more_often_than_they_come(compiled):
    task = compiled("palindrome").task
    labels = task.sample(200, seed=0).labels
    assert 0.35 < labels.double().mean() < 0.65
    rare = task.examples(task.every_input()).labels.double().mean()
    assert rare < 0.05


def test_classes_are_the_answers_that_occur(compiled):
    assert compiled("sort").task.classes == ("0", "1", "2", "3")
    assert compiled("ascending").task.answers == (False, True)
    assert compiled("reverse-any-length").task.classes == ("a", "b", "c")


def test_the_truth_is_not_among_the_concepts(compiled):
    assert compiled("balanced").task.sample(5, seed=0).concepts == {}


def test_strange_text_is_refused(compiled):
    with pytest.raises(UserError, match="the letters are"):
        compiled("histogram").task.encode(["abcda"])


def test_contrasts_are_answered_differently(compiled):
    for name in ("palindrome", "histogram", "reverse-any-length"):
        one, other = compiled(name).task.contrasts(20, seed=0)
        assert len(one) == len(other) > 0
        assert torch.equal(one.answered, other.answered)
