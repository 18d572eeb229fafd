from __future__ import annotations

import pytest
import torch

from algoscope.discovery.error_rates import ErrorRate, by_answer, by_kind, error_rates, together
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples

SIZES = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_head": 4, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2}


def test_rates_are_counted_by_kind():
    config = Config.from_dict(SIZES | {"attention_dir": "bidirectional", "pad_token": 1})
    model = Transformer(config, seed=0).requires_grad_(False)
    task = Brackets()
    rates = error_rates(model, task, 100, seed=3)
    examples = task.sample(100, seed=3)
    wrong = model(examples.tokens)[:, 0].argmax(-1) != examples.labels
    for name, mask in task.groups(examples).items():
        assert (rates[name].wrong, rates[name].count) == (int(wrong[mask].sum()), int(mask.sum()))
    assert together(rates) == ErrorRate(int(wrong.sum()), 100)


def two_answers() -> Examples:
    answered = torch.tensor([[True, False, True], [False, True, True]])
    return Examples(torch.zeros(2, 3, dtype=torch.long), torch.zeros(4, dtype=torch.long), {}, answered)


def test_an_input_is_wrong_if_one_of_its_answers_is():
    correct = torch.tensor([True, True, True, False])
    groups = {"first": torch.tensor([True, False]), "second": torch.tensor([False, True])}
    rates = by_kind(correct, two_answers(), groups | {"none": torch.tensor([False, False])})
    assert rates == {"first": ErrorRate(0, 1), "second": ErrorRate(1, 1)}


def test_answers_are_told_apart_by_their_number_not_their_place():
    correct = torch.tensor([False, True, False, False])
    assert by_answer(correct, two_answers()) == {0: ErrorRate(2, 2), 1: ErrorRate(1, 2)}


def test_no_error_among_a_thousand_still_allows_thousands_in_a_million():
    rate = ErrorRate(0, 1000)
    assert rate.per_million == rate.at_least == 0
    # Exactly: the rate at which 1000 draws have no error one time in forty is 1 - 0.025^(1/1000).
    assert rate.at_most == pytest.approx(1e6 * (1 - 0.025 ** (1 / 1000)), rel=0.05)


def test_the_interval_is_wilsons():
    rate = ErrorRate(10, 100)
    # As published calculators give it for 10 of 100: 0.0552 to 0.1744.
    assert (rate.at_least, rate.at_most) == (pytest.approx(55_229, abs=2), pytest.approx(174_365, abs=3))
    everything = ErrorRate(5, 5)
    assert everything.at_most == 1e6
