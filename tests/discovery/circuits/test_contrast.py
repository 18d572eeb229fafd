from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.discovery.circuits.contrast import ablated, resampled
from algoscope.errors import UserError
from algoscope.tasks.answers import divergence, surprise

from .conftest import random_examples, random_model


def test_the_measure_of_pairs_is_the_one_truth_over_the_other(model):
    examples, partners = random_examples(0), random_examples(1)
    contrast = resampled(model, examples, partners)
    logits = answer_logits(model, examples)
    differ = (examples.labels != partners.labels).nonzero()[:, 0]
    assert 0 < len(differ) < len(examples)
    rows = torch.arange(len(logits))
    expected = (logits[rows, examples.labels] - logits[rows, partners.labels])[differ]
    torch.testing.assert_close(contrast.measured(contrast.ends[0][None])[0], expected)


def test_the_measure_of_sets_counts_the_classes_that_only_one_has(model):
    examples, partners = random_examples(0), random_examples(1)
    sets = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]]).bool()
    other = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]]).bool()
    contrast = resampled(model, replace(examples, labels=sets), replace(partners, labels=other))
    logits = answer_logits(model, examples)
    expected = torch.stack((logits[0, 2] - logits[0, 1], -logits[3, 0]))
    torch.testing.assert_close(contrast.measured(contrast.ends[0][None])[0], expected)


def test_the_measure_of_ablations_is_the_truths_log_probability(model):
    examples = random_examples(0)
    contrast = ablated(model, examples)
    expected = -surprise(answer_logits(model, examples), examples.labels)
    torch.testing.assert_close(contrast.measured(contrast.ends[0][None])[0], expected)


def test_faithfulness_is_one_for_the_whole_and_zero_for_nothing(model):
    contrast = resampled(model, random_examples(0), random_examples(1))
    half = contrast.every.clone()
    half[::2] = 0
    found = contrast.faithfulness(torch.stack((contrast.every, 0 * contrast.every, half)))
    torch.testing.assert_close(found[:2], torch.tensor([1.0, 0.0]).double())
    values = contrast.measured(contrast.logits(torch.stack((contrast.every, 0 * contrast.every, half))))
    whole, empty, some = values.mean(1)
    torch.testing.assert_close(found[2], (some - empty) / (whole - empty))


def test_divergence_is_from_the_whole_model(model):
    contrast = ablated(model, random_examples(0), "zero")
    masks = torch.stack((contrast.every, 0 * contrast.every))
    found = contrast.divergence(masks)
    torch.testing.assert_close(found[0], torch.zeros(5).double())
    whole, empty = contrast.ends
    torch.testing.assert_close(found[1], divergence(empty, whole, sets=False))


def test_a_model_that_no_edge_matters_to_has_no_circuit():
    model = random_model(0)
    model.unembed.W_U.zero_()
    contrast = resampled(model, random_examples(0), random_examples(1))
    with pytest.raises(UserError, match="no circuit to find"):
        contrast.faithfulness(contrast.every[None])


def test_pairs_must_line_up_and_differ(model):
    examples = random_examples(0)
    with pytest.raises(UserError, match="different places"):
        resampled(model, examples, random_examples(1, several=True))
    with pytest.raises(UserError, match="answered alike"):
        resampled(model, examples, examples)
    with pytest.raises(UserError, match="choose from mean"):
        ablated(model, examples, "median")
