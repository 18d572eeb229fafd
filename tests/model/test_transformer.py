"""Does the model compute what a transformer with these weights is?"""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.conftest import noise_at
from torch.nn import functional

import algoscope
from algoscope.errors import UserError
from algoscope.model import layers
from algoscope.model.config import Config
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_fused_path_is_the_slow_transformer(data, draw_model, slow_run):
    model, tokens = draw_model(data)
    logits, _ = slow_run(model, tokens, {})
    np.testing.assert_allclose(model(tokens).numpy(), logits, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_open_path_is_the_slow_transformer_at_every_site(data, draw_model, slow_run):
    model, tokens = draw_model(data)
    slow_logits, slow_values = slow_run(model, tokens, {})
    logits, cache = model.run_with_cache(tokens)
    np.testing.assert_allclose(logits.numpy(), slow_logits, rtol=0, atol=1e-9)
    assert list(cache) == list(model.sites)
    assert set(cache) == set(slow_values)
    for name, value in cache.items():
        np.testing.assert_allclose(value.numpy(), slow_values[name], rtol=0, atol=1e-9, err_msg=name)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_an_edit_at_any_site_has_the_effect_that_it_has_in_the_slow_transformer(data, draw_model, slow_run):
    model, tokens = draw_model(data)
    name = data.draw(st.sampled_from(list(model.sites)))
    _, cache = model.run_with_cache(tokens, [name])
    noise = noise_at(model, name, cache[name])
    slow_logits, _ = slow_run(model, tokens, {name: noise.numpy()})
    logits = model.run_with_hooks(tokens, [(name, lambda value, site: value + noise)])
    np.testing.assert_allclose(logits.numpy(), slow_logits, rtol=0, atol=1e-8)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_edits_at_any_two_sites_compose_as_in_the_slow_transformer(data, draw_model, slow_run):
    model, tokens = draw_model(data)
    names = [data.draw(st.sampled_from(list(model.sites))) for _ in range(2)]
    _, cache = model.run_with_cache(tokens, names)
    noise = {name: noise_at(model, name, value) for name, value in cache.items()}
    slow_logits, _ = slow_run(model, tokens, {name: value.numpy() for name, value in noise.items()})
    hooks = [(name, lambda value, site: value + noise[site.name]) for name in noise]
    logits = model.run_with_hooks(tokens, hooks)
    np.testing.assert_allclose(logits.numpy(), slow_logits, rtol=0, atol=1e-8)


@pytest.mark.parametrize("letter", ["q", "k", "v"])
@pytest.mark.parametrize("norm", ["LN", "LNPre"])
def test_with_the_scale_frozen_twice_the_input_of_a_head_is_twice_its_query(letter, norm):
    config = Config(
        n_layers=1, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=2,
        attention_dir="causal", normalization_type=norm,
    )  # fmt: skip
    model = Transformer(config, seed=0).requires_grad_(False)

    def doubled(value, site):
        value[:, :, 0] *= 2

    tokens, site = torch.tensor([[1, 2, 3, 4]]), f"blocks.0.attn.hook_{letter}"
    frozen = ("blocks.0.ln1.hook_scale", lambda value, site: torch.ones_like(value))
    _, plain = model.run_with_cache(tokens, [site], hooks=[frozen])
    _, twice = model.run_with_cache(
        tokens, [site], hooks=[frozen, (f"blocks.0.hook_{letter}_input", doubled)]
    )
    torch.testing.assert_close(twice[site][:, :, 0], 2 * plain[site][:, :, 0])
    assert torch.equal(twice[site][:, :, 1], plain[site][:, :, 1])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_layer_asked_for_some_queries_gives_the_stream_at_those_positions(data, draw_model):
    model, tokens = draw_model(data)
    at = torch.tensor(data.draw(st.lists(st.integers(0, model.config.n_ctx - 1), min_size=1, max_size=4)))
    block, tap = model.blocks[0], Taps(model.sites)
    resid, bias = model.embedded(tokens, tap), model.attention_bias(tokens)
    torch.testing.assert_close(block(resid, bias, tap, at), block(resid, bias, tap)[:, at], rtol=0, atol=1e-9)


def test_in_float32_the_fused_path_equals_the_open_one(model, tokens_for):
    model, tokens = model.float(), tokens_for(model)
    torch.testing.assert_close(model.run_with_cache(tokens)[0], model(tokens), rtol=0, atol=1e-5)


def test_the_stream_is_the_sum_of_what_is_written_to_it(model, tokens_for):
    _, cache = model.run_with_cache(tokens_for(model))
    for layer in range(model.config.n_layers):
        block = f"blocks.{layer}"
        written = cache[f"{block}.hook_attn_out"]
        if model.config.d_mlp:
            torch.testing.assert_close(
                cache[f"{block}.hook_resid_mid"], cache[f"{block}.hook_resid_pre"] + written
            )
            written = written + cache[f"{block}.hook_mlp_out"]
        torch.testing.assert_close(
            cache[f"{block}.hook_resid_post"], cache[f"{block}.hook_resid_pre"] + written
        )


def test_head_results_and_bias_add_up_to_attn_out(model, tokens_for):
    _, cache = model.run_with_cache(tokens_for(model))
    for layer in range(model.config.n_layers):
        results = cache[f"blocks.{layer}.attn.hook_result"].sum(2) + model.b_O[layer]
        torch.testing.assert_close(results, cache[f"blocks.{layer}.hook_attn_out"])


def test_padding_does_not_change_what_the_other_positions_get(padded_model):
    tokens = torch.tensor([[0, 2, 3, 1, 1]])
    torch.testing.assert_close(padded_model(tokens)[:, :3], padded_model(tokens[:, :3]))


def test_a_causal_model_ignores_what_comes_later():
    config = Config(
        n_layers=2, d_model=4, n_heads=1, d_head=2, n_ctx=4, d_vocab=3, d_vocab_out=2, attention_dir="causal"
    )
    model = Transformer(config, seed=1)
    first, second = model(torch.tensor([[0, 1, 2, 0], [0, 1, 0, 1]]))
    assert torch.equal(first[:2], second[:2])
    assert not torch.equal(first[2:], second[2:])


@pytest.mark.parametrize("sites", [[], ["hook_embed", "blocks.1.hook_resid_post", "blocks.0.mlp.hook_post"]])
def test_unless_scores_or_patterns_are_read_attention_is_fused(padded_model, tokens_for, monkeypatch, sites):
    calls = []

    def spy(*args, **kwargs):
        calls.append(args)
        return fused(*args, **kwargs)

    def never(*args):
        raise AssertionError("formed what nobody asked for")

    fused = functional.scaled_dot_product_attention
    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    monkeypatch.setattr(layers.Attention, "scores", never)
    monkeypatch.setattr(layers.Attention, "results", never)
    monkeypatch.setattr(layers.Attention, "_copies", never)
    padded_model.run_with_cache(tokens_for(padded_model), sites)
    assert len(calls) == padded_model.config.n_layers


def test_only_the_layers_whose_scores_are_read_leave_the_fused_path(padded_model, tokens_for, monkeypatch):
    opened = []
    scores = layers.Attention.scores

    def spy(attention, q, k, bias):
        opened.append(attention.name)
        return scores(attention, q, k, bias)

    monkeypatch.setattr(layers.Attention, "scores", spy)
    padded_model.run_with_cache(tokens_for(padded_model), ["blocks.1.attn.hook_pattern"])
    assert opened == ["blocks.1"]


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (torch.zeros(5, dtype=torch.long), r"torch.int64 \[5\]: give integers \[batch, seq\]"),
        (torch.zeros(1, 5), "torch.float32"),
        (torch.zeros(1, 5, dtype=torch.bool), "torch.bool"),
        (torch.zeros(1, 6, dtype=torch.long), "6 positions: the model has 5"),
        (torch.tensor([[0, 5]]), "from 0 to 5: the model has 0 to 4"),
        (torch.tensor([[-1, 2]]), "from -1 to 2"),
    ],
)
def test_tokens_that_are_not_the_models_are_refused(padded_model, tokens, says):
    with pytest.raises(UserError, match=says):
        padded_model(tokens)


def test_no_examples_give_no_logits(padded_model):
    assert padded_model(torch.zeros(0, 5, dtype=torch.long)).shape == (0, 5, 3)


def test_stacked_weights_are_indexed_by_layer_and_head(padded_model):
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
        stacked = getattr(padded_model, name)
        assert torch.equal(stacked[1, 0], padded_model.state_dict()[f"blocks.1.attn.{name}"][0])
    for name in ("W_in", "b_in", "W_out", "b_out"):
        assert torch.equal(getattr(padded_model, name)[1], padded_model.state_dict()[f"blocks.1.mlp.{name}"])


def test_an_attention_only_model_says_that_it_has_no_mlp_weights():
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=2, n_ctx=4, d_vocab=3, d_vocab_out=2, attention_dir="causal"
    )
    with pytest.raises(UserError, match="no W_in: it is attention-only"):
        _ = Transformer(config).W_in


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(padded_model):
    first = Transformer(padded_model.config, seed=3)
    torch.rand(5)
    second = Transformer(padded_model.config, seed=3)
    other = Transformer(padded_model.config, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.W_E, other.W_E)


def test_the_public_bracket_model_has_its_published_activations(reference):
    golden = load_file(reference / "golden" / "brackets.safetensors")
    model = algoscope.load(reference / "arena" / "brackets_model_state_dict.pt", task="brackets")
    _, cache = model.run_with_cache(golden["toks_100"][:10])
    pairs = {
        f"blocks.{layer}.{site}": golden[f"{name}_layer{layer}_first10"]
        for layer in range(3)
        for site, name in (
            ("hook_resid_mid", "resid_mid"),
            ("hook_resid_post", "resid_post"),
            ("attn.hook_result", "attn_result"),
            ("mlp.hook_post", "mlp_post"),
        )
    } | {"blocks.0.hook_resid_pre": golden["resid_pre_layer0_first10"]}
    for name, expected in pairs.items():
        scale = float(expected.abs().max())
        torch.testing.assert_close(cache[name], expected, rtol=0, atol=1e-5 * scale)
    patterns = torch.stack([cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(3)])
    torch.testing.assert_close(patterns, golden["attn_patterns_first10"], rtol=0, atol=1e-5)


def test_the_public_bracket_model_has_its_published_logits_and_is_always_right(reference):
    golden = load_file(reference / "golden" / "brackets.safetensors")
    model = algoscope.load(reference / "arena" / "brackets_model_state_dict.pt", task="brackets")
    with gzip.open(reference / "arena" / "brackets_data.json.gz", "rt") as file:
        strings, balanced = zip(*json.load(file)[:5000], strict=True)
    logits = torch.cat([model(tokens)[:, 0] for tokens in Brackets().encode(strings).split(500)])
    torch.testing.assert_close(logits, golden["logits_pos0_5000"], rtol=0, atol=1e-4)
    assert torch.equal(logits.argmax(-1), torch.tensor(balanced).long())


def test_the_public_palindrome_model_has_its_published_loss(reference):
    golden = load_file(reference / "golden" / "palindromes.safetensors")
    model = algoscope.load(reference / "arena" / "palindrome_classifier.pt", task="palindromes")
    logits = model(golden["toks_500"])[:, -1]
    torch.testing.assert_close(logits, golden["raw_logits_end_500"], rtol=0, atol=5e-5)
    loss = functional.cross_entropy(logits, golden["is_palindrome_500"].long())
    assert float(loss) == pytest.approx(0.0137133, abs=1e-5)


@pytest.mark.parametrize("direction", ["causal", "bidirectional"])
def test_a_masked_key_is_out_however_far_real_scores_range(direction):
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=4, n_ctx=3, d_vocab=3, d_vocab_out=2, pad_token=0,
        attention_dir=direction, normalization_type="none",
    )  # fmt: skip
    model = Transformer(config, seed=0).requires_grad_(False)
    # Scores of real keys lie far below a hundred thousand.
    model.block(0).attn.W_Q.mul_(3e4)
    model.block(0).attn.W_K.mul_(-3e4)
    tokens = torch.tensor([[1, 2, 0], [2, 1, 0]])
    site = "blocks.0.attn.hook_pattern"
    for sites in ([], [site]):
        logits, cache = model.run_with_cache(tokens, sites)
        torch.testing.assert_close(logits[:, :2], model(tokens[:, :2]))
    assert (cache[site][..., 2] == 0).all()
    _, cache = model.run_with_cache(tokens, ["blocks.0.attn.hook_attn_scores"])
    scores = cache["blocks.0.attn.hook_attn_scores"]
    assert (scores[..., 2] == torch.finfo(torch.float32).min).all()
    assert scores[..., 0].abs().max() > 1e6


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_tokens_may_be_integers_of_any_size(model, tokens_for, dtype):
    tokens = tokens_for(model)
    assert torch.equal(model(tokens.to(dtype)), model(tokens))
