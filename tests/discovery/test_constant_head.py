from __future__ import annotations

import pytest
import torch

from algoscope.discovery.constant_head import learn_constant, routes, writing, written
from algoscope.interventions.metrics import loss
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import Palindromes


@pytest.fixture
def constant_model() -> Transformer:
    """Head 0.1 writes the same everywhere, through its value bias, and only head 1.0's values read it."""
    config = Config(
        n_layers=2, d_model=4, n_heads=2, d_head=2, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.block(0).attn.b_V[1, 0] = model.block(0).attn.W_O[1, 0, 2] = 1.0
    model.block(1).attn.W_V[0, 2, 0] = model.block(1).attn.W_O[0, 0, 3] = 1.0
    model.W_U[3, 1] = 2.0
    return model


def test_the_only_route_of_a_head_that_was_built_by_hand_is_found(constant_model):
    palindromes = Palindromes().sample(40, seed=0)
    found = routes(constant_model, palindromes[palindromes.labels == 1], Head(0, 1))
    assert str(found[0]) == "values of head 1.0"
    assert found[0].kept == pytest.approx(0, abs=1e-6)
    clean, zeroed = (torch.nn.functional.softplus(torch.tensor(-x)).item() for x in (2.0, 0.0))
    assert found[0].cut == pytest.approx(zeroed - clean, abs=1e-6)
    assert all(route.cut == pytest.approx(0, abs=1e-6) for route in found[1:])


def test_an_output_that_never_changes_is_all_constant(constant_model):
    seen = written(constant_model, Palindromes().sample(10, seed=0), Head(0, 1))
    assert seen.constant.tolist() == pytest.approx([1.0] * 22)
    assert seen.mean[5].tolist() == pytest.approx([0, 0, 1, 0])


def test_a_learnt_constant_does_better_than_the_mean_on_fresh_inputs(public_palindromes):
    model, head = public_palindromes.model, Head(0, 1)
    fitted, fresh = Palindromes().sample(1000, seed=1), Palindromes().sample(2000, seed=2)
    mean = written(model, fitted, head).mean
    learnt = learn_constant(model, fitted, head, steps=60)
    found = sweep(model, fresh, [writing(head, mean), writing(head, learnt)], loss)
    assert found.values[1] < found.values[0]
