"""Does weight processing change the weights and nothing else?"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.conftest import a_model

import algoscope
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.processing import (
    center_unembed,
    center_writing_weights,
    fold_layer_norm,
    fold_value_biases,
    process,
)

GATED = Config(
    n_layers=1, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=3, attention_dir="causal",
    d_mlp=5, act_fn="silu", gated_mlp=True,
)  # fmt: skip
STEPS = (fold_layer_norm, center_writing_weights, center_unembed, fold_value_biases)
COMBINATIONS = [
    order for n in range(1, len(STEPS) + 1) for chosen in itertools.combinations(STEPS, n)
    for order in (chosen, chosen[::-1])
]  # fmt: skip


def log_probs(model, tokens):
    return model(tokens).log_softmax(-1)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_steps_in_any_order_leave_log_probabilities_as_they_are(data, draw_model):
    kinds = ["LN", "LNPre", "RMS", "RMSPre"]
    model, tokens = draw_model(data, normalization_type=data.draw(st.sampled_from(kinds)))
    processed, steps = model, STEPS if model.config.centred else (fold_layer_norm, *STEPS[2:])
    for step in data.draw(st.permutations(steps))[: data.draw(st.integers(1, len(STEPS)))]:
        processed = step(processed)
    torch.testing.assert_close(log_probs(processed, tokens), log_probs(model, tokens), rtol=0, atol=1e-10)


@pytest.mark.parametrize("steps", COMBINATIONS, ids=lambda steps: " ".join(step.__name__ for step in steps))
def test_each_combination_leaves_log_probabilities_as_they_are_in_float32(steps, padded_model, tokens_for):
    model, tokens = padded_model.float(), tokens_for(padded_model)
    processed = model
    for step in steps:
        processed = step(processed)
    torch.testing.assert_close(log_probs(processed, tokens), log_probs(model, tokens), rtol=0, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_process_leaves_log_probabilities_of_every_model_as_they_are(data, draw_model):
    model, tokens = draw_model(data)
    torch.testing.assert_close(
        log_probs(process(model), tokens), log_probs(model, tokens), rtol=0, atol=1e-10
    )


def test_the_model_that_is_given_stays_as_it_is(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    process(model)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_after_processing_what_is_written_and_read_has_no_mean_and_values_no_bias(padded_model):
    processed = process(padded_model)
    zero = [
        getattr(processed, name).mean(-1) for name in ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out", "b_U")
    ]
    zero += [getattr(processed, name).mean(-2) for name in ("W_Q", "W_K", "W_V", "W_in", "W_U")]
    zero += [processed.W_U.mean(-1), processed.b_V]
    assert max(float(each.abs().max()) for each in zero) < 1e-12


def test_folding_leaves_layer_norms_without_parameters(padded_model):
    folded = fold_layer_norm(padded_model)
    assert folded.config.normalization_type == "LNPre"
    assert not [name for name in folded.state_dict() if "ln" in name]


def test_processing_twice_is_processing_once(padded_model):
    once = process(padded_model)
    twice = process(once)
    for name, value in twice.state_dict().items():
        torch.testing.assert_close(value, once.state_dict()[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_processed_model_has_the_old_ones_type_and_is_frozen(padded_model, dtype):
    processed = process(padded_model.to(dtype).requires_grad_())
    assert processed.W_E.dtype == dtype
    assert not any(parameter.requires_grad for parameter in processed.parameters())


def test_rms_norms_fold_into_what_reads_them_and_nothing_is_centred():
    config = replace(GATED, normalization_type="RMS")
    model = a_model(config)
    folded = process(model)
    assert folded.config.normalization_type == "RMSPre"
    assert not [name for name in folded.state_dict() if "ln" in name]
    for name in ("W_gate", "W_in"):
        expected = model.block(0).ln2.w[:, None] * getattr(model, name)[0]
        torch.testing.assert_close(getattr(folded, name)[0], expected)
    assert torch.equal(folded.W_E, model.W_E)
    with pytest.raises(UserError, match="take the mean out: this one's normalization_type is 'RMS'"):
        center_writing_weights(model)


def test_a_layer_norm_before_a_gate_keeps_what_a_gate_has_no_bias_for():
    model = a_model(GATED)
    folded = fold_layer_norm(model)
    assert folded.config.normalization_type == "LN"
    assert torch.equal(folded.block(0).ln2.b, model.block(0).ln2.b)
    for norm in (folded.block(0).ln1, folded.ln_final):
        assert torch.equal(norm.w, torch.ones_like(norm.w))
        assert not norm.b.any()


@pytest.mark.parametrize("step", [fold_layer_norm, center_writing_weights])
def test_a_step_that_rests_on_layer_norms_refuses_a_model_without(step, normless_model):
    with pytest.raises(UserError, match=f"{step.__name__} needs a model with layer norms"):
        step(normless_model)


def test_the_public_palindrome_model_has_its_published_processed_weights(reference):
    golden = load_file(reference / "golden" / "palindromes.safetensors")
    facts = json.loads((reference / "golden" / "palindromes.json").read_text())
    model = algoscope.load(reference / "arena" / "palindrome_classifier.pt", task="palindromes")
    processed = process(model)
    removed = set(model.state_dict()) - set(processed.state_dict())
    assert sorted(removed) == facts["processed_keys_removed"]["value"]
    expected = {
        name.removeprefix("processed."): value for name, value in golden.items() if "processed." in name
    }
    assert expected.keys() | {f"blocks.{layer}.attn.b_V" for layer in (0, 1)} == processed.state_dict().keys()
    for name, value in expected.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(processed.state_dict()[name], value, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("size", [100, 500])
def test_the_processed_public_palindrome_model_has_its_published_logits(reference, size):
    golden = load_file(reference / "golden" / "palindromes.safetensors")
    model = algoscope.load(reference / "arena" / "palindrome_classifier.pt", task="palindromes")
    processed, tokens = process(model), golden[f"toks_{size}"]
    end = processed(tokens)[:, -1]
    torch.testing.assert_close(end, golden[f"logits_end_{size}"], rtol=0, atol=5e-5)
    # Float32 alone, processed or not, rounds these to within 1.1e-5.
    exact = log_probs(model.double(), tokens)[:, -1]
    torch.testing.assert_close(end.log_softmax(-1).double(), exact, rtol=0, atol=2e-5)
    torch.testing.assert_close(log_probs(process(model), tokens)[:, -1], exact, rtol=0, atol=1e-10)
