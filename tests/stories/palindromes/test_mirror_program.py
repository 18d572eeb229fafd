from __future__ import annotations

import pytest
import torch

import algoscope
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.stories.palindromes.mean_field import Typical
from algoscope.stories.palindromes.mirror_program import (
    Tables,
    broken_pairs,
    fit_program,
    predict,
    read_tables,
)
from algoscope.tasks.palindromes import PAIRS, Palindromes, broken_at, mismatch


def model_logit(model, examples):
    logits = model(examples.tokens)[:, -1].double()
    return logits[:, 0] - logits[:, 1]


def program_and_model(model, seed):
    """The program fitted on one sample, and what it and the model say about another."""
    task = Palindromes()
    fitted, fresh = task.sample(2000, seed), task.sample(4000, seed + 1)
    broken = broken_pairs(fitted.concepts["mismatch"])
    program = fit_program(read_tables(model, layer=1), broken, model_logit(model, fitted))
    said = program.logit(broken_pairs(fresh.concepts["mismatch"]))
    return program, said, model_logit(model, fresh), fresh


def test_the_mean_field_is_the_model_itself_where_all_numbers_have_one_embedding(public_palindromes):
    model = process(public_palindromes.raw)
    model.W_E[:31] = model.W_E[:31].mean(0)
    tokens = broken_at(torch.zeros(1, 10, dtype=torch.bool), seed=0).tokens
    _, cache = model.run_with_cache(tokens)
    typical = Typical(model)
    for layer in (0, 1):
        before = typical.resid_before(layer, matched=True)
        expected = cache[f"blocks.{layer}.hook_resid_pre"][0].double()
        torch.testing.assert_close(before, expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(
            typical.attention(layer, before, matched=False),
            cache[f"blocks.{layer}.attn.hook_pattern"][0].double(),
            atol=1e-4,
            rtol=0,
        )


def test_the_program_of_the_shipped_model_gives_the_models_own_verdicts():
    _, said, model_said, _ = program_and_model(process(algoscope.load("palindromes")), seed=3)
    assert ((said > 0) == (model_said > 0)).double().mean() >= 0.999


def test_the_program_of_the_public_model_predicts_its_mistakes_too(public_palindromes):
    program, said, model_said, fresh = program_and_model(public_palindromes.model, seed=3)
    agree = (said > 0) == (model_said > 0)
    wrong = (model_said > 0) != (fresh.labels == 0)
    assert wrong.sum() > 20
    assert agree.double().mean() >= 0.995
    # The rest depends on the numbers themselves, which the program does not see.
    assert agree[wrong].double().mean() >= 0.75
    # The two pairs that the model does not see.
    assert (program.logit(torch.eye(10, dtype=torch.bool)) < 0).nonzero().flatten().tolist() == [1, 3]


def test_pairs_that_were_broken_are_the_broken_pairs():
    broken = torch.rand(50, 10, generator=torch.Generator().manual_seed(0)) < 0.3
    assert torch.equal(broken_pairs(mismatch(broken_at(broken, seed=0).tokens)), broken)


def test_constants_that_made_the_answers_are_found_again():
    generator = torch.Generator().manual_seed(0)
    score, push = (3 * torch.randn(2, 1, 22, generator=generator, dtype=torch.float64) for _ in range(2))
    tables = Tables((Head(1, 0),), score, push)
    broken = torch.rand(500, 10, generator=generator) < 0.3
    logit = 0.5 + 0.8 * tables.pushed(broken, sharpness=1.7).sum(-1)
    program = fit_program(tables, broken, logit)
    assert (program.sharpness, program.gain, program.bias) == pytest.approx((1.7, 0.8, 0.5), rel=0.02)


def test_pushes_are_a_softmax_over_positions_by_hand():
    score, push = torch.zeros(2, 1, 22).double(), torch.zeros(2, 1, 22).double()
    later = PAIRS[4][0]
    score[1, 0, later], push[1, 0, later] = 2.0, 5.0
    broken = torch.eye(10, dtype=torch.bool)[[4, 5]]
    weight = torch.tensor(2.0).exp() / (torch.tensor(2.0).exp() + 21)
    assert Tables((Head(1, 0),), score, push).pushed(broken)[:, 0].tolist() == pytest.approx(
        [5 * weight.item(), 0.0]
    )


def test_weights_alone_predict_the_mean_log_odds_of_single_faults(public_palindromes):
    model = public_palindromes.model
    single = torch.eye(10, dtype=torch.bool)
    predicted = predict(model, 1, single)
    measured = model_logit(model, broken_at(single.repeat_interleave(200, 0), seed=0)).view(10, 200).mean(1)
    assert (predicted.logit - measured).abs().max() < 2.5
    assert torch.equal(predicted.logit > 0, measured > 0)
    assert torch.equal(predicted.logit > 0, predicted.margin > 0)


def test_where_all_numbers_have_one_embedding_the_prediction_is_the_model(public_palindromes):
    model = process(public_palindromes.raw)
    model.W_E[:31] = model.W_E[:31].mean(0)
    none = torch.zeros(1, 10, dtype=torch.bool)
    assert predict(model, 1, none).logit.item() == pytest.approx(
        model_logit(model, broken_at(none, seed=0)).item(), abs=1e-4
    )


def test_what_norms_add_to_the_variance_counts_in_the_prediction():
    config = Config(
        n_layers=2, d_model=12, n_heads=2, d_head=6, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", eps=0.05,
    )  # fmt: skip
    model = process(Transformer(config, seed=0).requires_grad_(False))
    model.W_E[:31] = model.W_E[:31].mean(0)
    none = torch.zeros(1, 10, dtype=torch.bool)
    expected = model_logit(model, broken_at(none, seed=0)).item()
    assert predict(model, 1, none).logit.item() == pytest.approx(expected, rel=1e-3)


def test_an_output_bias_counts_in_the_margin_as_far_as_the_norm_would_have_scaled_it(public_palindromes):
    model = process(public_palindromes.raw)
    model.b_U.copy_(torch.tensor([3.0, -3.0]))
    single = torch.eye(10, dtype=torch.bool)
    with_bias = predict(model, 1, single)
    model.b_U.zero_()
    without = predict(model, 1, single)
    scale = without.margin / without.logit
    torch.testing.assert_close(with_bias.logit - without.logit, torch.full((10,), 6.0).double())
    torch.testing.assert_close(with_bias.margin - without.margin, 6 * scale)
