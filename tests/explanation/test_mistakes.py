"""Mistakes are counted in whole inputs, against counting by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.explanation.mistakes import Mistakes, doubt, mistakes, ranking, within_classes, wrong
from algoscope.explanation.scored import score
from algoscope.tasks.answers import margin
from algoscope.tasks.task import Examples


def drawn(seed, n=30, sets=False):
    """Inputs with none to three answers each, of three classes, and two answerers."""
    generator = torch.Generator().manual_seed(seed)
    answered = torch.rand(n, 3, generator=generator) < 0.6
    rows = int(answered.sum())
    labels = (
        torch.rand(rows, 3, generator=generator) < 0.5
        if sets
        else torch.randint(3, (rows,), generator=generator)
    )
    examples = Examples(torch.zeros(n, 3, dtype=torch.long), labels, {}, answered)
    return examples, *(torch.randn(2, rows, 3, generator=generator) + 2 * torch.rand(1, generator=generator))


def is_wrong(logits, examples, example):
    for row, of in enumerate(examples.row_example.tolist()):
        said = logits[row] > 0 if examples.sets else logits[row].argmax()
        if of == example and not bool((said == examples.labels[row]).all()):
            return True
    return False


@given(st.integers(0, 999), st.booleans())
def test_mistakes_are_those_found_one_input_at_a_time(seed, sets):
    examples, ours, theirs = drawn(seed, sets=sets)
    found = mistakes(ours, theirs, examples)
    one = {each for each in range(30) if is_wrong(ours, examples, each)}
    other = {each for each in range(30) if is_wrong(theirs, examples, each)}
    assert (found.program, found.model, found.shared) == (len(one), len(other), len(one & other))
    assert set(wrong(ours, examples).nonzero()[:, 0].tolist()) == one
    assert found.alike <= found.shared
    assert mistakes(ours, ours, examples).alike == found.program


def test_a_program_that_is_right_where_the_model_errs_shares_no_mistake():
    truth = torch.tensor([0, 0, 1, 1])
    examples = Examples(torch.zeros(4, 1), truth, {}, torch.ones(4, 1, dtype=torch.bool))
    right = torch.nn.functional.one_hot(truth, 2).float()
    model = right.clone()
    model[0] = torch.tensor([0.0, 1.0])
    found = mistakes(right, model, examples)
    assert found.recall.mean == 0
    assert found.precision is None
    own = right.clone()
    own[1] = torch.tensor([0.0, 1.0])
    assert mistakes(own, model, examples).precision.mean == 0
    assert mistakes(model, model, examples) == Mistakes(1, 1, 1, 1)
    assert mistakes(model, right, examples).recall is None


def test_the_doubt_of_an_input_is_its_least_clear_answer():
    examples, ours, _ = drawn(1)
    clear = margin(ours, examples.labels)
    for example, found in enumerate(doubt(ours, examples).tolist()):
        own = clear[examples.row_example == example]
        assert found == pytest.approx(-float(own.min())) if len(own) else found == -math.inf


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_the_ranking_is_the_share_of_pairs_in_order(drawn):
    marked = [value for value, mark in drawn if mark]
    others = [value for value, mark in drawn if not mark]
    found = ranking(torch.tensor([float(v) for v, _ in drawn]), torch.tensor([m for _, m in drawn]))
    if not marked or not others:
        assert math.isnan(found)
    else:
        wins = sum((a > b) + (a == b) / 2 for a in marked for b in others)
        assert found == pytest.approx(wins / len(marked) / len(others))


def test_within_classes_nothing_is_gained_by_knowing_the_class():
    truth = torch.arange(200) % 2
    examples = Examples(torch.zeros(200, 1), truth, {}, torch.ones(200, 1, dtype=torch.bool))
    noise = torch.randn(2, 200, generator=torch.Generator().manual_seed(0))

    def logits(margin):
        sign = 2.0 * truth - 1
        return torch.stack([-sign * margin / 2, sign * margin / 2], 1)

    model = logits(5 + 20 * truth + noise[0])
    assert within_classes(model, model, examples) == pytest.approx(1)
    assert abs(within_classes(logits(5 + 20 * truth + noise[1]), model, examples)) < 0.2
    assert math.isnan(within_classes(logits(5.0 + 20 * truth), model, examples))


def test_a_score_of_the_model_against_itself_is_perfect():
    examples, ours, _ = drawn(2)
    found = score(ours, ours, examples)
    assert (found.same.mean, found.answers.mean) == (1, 1)
    assert found.kl.mean == pytest.approx(0, abs=1e-9)
    assert found.within == pytest.approx(1)
