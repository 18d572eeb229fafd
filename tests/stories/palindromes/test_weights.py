"""Two models that say the same about everything, by their output biases alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.seen import see
from algoscope.stories.palindromes import weights
from algoscope.tasks.palindromes import Palindromes


def saying(probability: float) -> Transformer:
    """Gives every sequence this probability of a palindrome."""
    config = Config(
        n_layers=1, d_model=2, n_heads=1, d_head=1, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.b_U.copy_(torch.tensor([1 - probability, probability]).log())
    return model


@pytest.fixture
def processed_to(monkeypatch):
    """`processed_to(probability)`: what is said of a model at 3/4 whose processed weights say this."""
    task = Palindromes()
    examples = task.sample(10, seed=0)

    def asked(probability: float):
        own = SimpleNamespace(model=saying(probability), examples=examples, seen=SimpleNamespace(task=task))
        monkeypatch.setattr(weights, "subject", lambda seen: own)
        return weights.processing(see(saying(0.75), task, examples))

    return asked


def test_a_change_is_a_share_of_the_largest_log_probability(processed_to):
    (change,) = processed_to(0.5).checks
    # From 1/4 to 1/2 is log 2, and the largest is that of 1/4: 2 log 2.
    assert (change.value, change.verdict) == (pytest.approx(0.5), "refuted")
    (none,) = processed_to(0.75).checks
    assert (none.value, none.verdict) == (0, "holds")


def test_each_input_is_shown_with_the_processed_models_probability_of_a_palindrome(processed_to):
    shown = processed_to(0.3).inputs
    assert len(shown) == weights.SHOWN
    assert {each.shown.note for each in shown} == {"0.3000"}
