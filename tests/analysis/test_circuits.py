from __future__ import annotations

import pytest
import torch

from algoscope.analysis.circuits import (
    W_OV,
    W_QK,
    attention_from_embeddings,
    largest_on_diagonal,
    masked,
    mean_norm_scale,
    ov_logits,
    position_qk,
    qk_scores,
    query_bias_scores,
    strongest,
    token_qk,
)
from algoscope.errors import UserError
from algoscope.model.head import Head
from algoscope.tasks.palindromes import arena_sample


def test_scores_without_biases_are_the_models_own(model, tokens_for):
    config, head = model.config, Head(model.config.n_layers - 1, model.config.n_heads - 1)
    if config.pad_token is not None:
        pytest.skip("padding masks keys, which a circuit knows nothing of")
    for block in model.blocks:
        block.attn.b_Q.zero_()
        block.attn.b_K.zero_()
    site = head.site("hook_attn_scores")
    normalized = f"blocks.{head.layer}.ln1.hook_normalized"
    resid = f"blocks.{head.layer}.hook_resid_pre"
    wanted = [site, normalized if normalized in model.sites else resid]
    _, cache = model.run_with_cache(tokens_for(model), wanted)
    x = cache[wanted[1]][0]
    scores = masked(qk_scores(model, head, x, x, 1.0), config.attention_dir)
    seen = scores.isfinite()
    torch.testing.assert_close(scores[seen], cache[site][0, head.index][seen])


def test_with_the_querys_bias_scores_differ_from_the_models_own_by_a_constant_for_each_query(normless_model):
    model, head = normless_model, Head(0, 1)
    tokens = torch.tensor([[0, 1, 2, 3]])
    site = head.site("hook_attn_scores")
    _, cache = model.run_with_cache(tokens, [site])
    x = model.W_E[tokens[0]] + model.W_pos
    found = qk_scores(model, head, x, x, 1.0) + query_bias_scores(model, head, x, 1.0)
    true = cache[site][0, head.index]
    torch.testing.assert_close(found - found[:, :1], true - true[:, :1])
    twice = query_bias_scores(model, head, x, 2.0)
    torch.testing.assert_close(2 * twice, query_bias_scores(model, head, x, 1.0))


def test_what_attending_to_a_token_adds_to_the_logits_is_read_off_the_model(normless_model):
    model, head = normless_model, Head(1, 1)
    attention = model.block(1).attn
    found = ov_logits(model, head, model.W_E, 2.0)
    for token in range(model.config.d_vocab):
        written = (model.W_E[token] / 2 @ attention.W_V[1]) @ attention.W_O[1]
        torch.testing.assert_close(found[token], written @ model.W_U)


def test_the_strongest_rows_and_columns_are_kept_in_order():
    table = torch.tensor([[0.0, 0.0, 9.0], [1.0, 0.0, 0.0], [0.0, 8.0, 3.0]])
    rows, columns = strongest(table, 2)
    assert (rows.tolist(), columns.tolist()) == ([0, 2], [1, 2])
    assert [len(each) for each in strongest(table, 9)] == [3, 3]


def test_what_a_head_writes_where_it_attends_to_one_position_is_its_OV(model, tokens_for):
    head = Head(0, 0)
    normalized = torch.randn(model.config.d_model, dtype=torch.float64)
    attention = model.block(0).attn
    written = (normalized @ attention.W_V[0]) @ attention.W_O[0]
    torch.testing.assert_close(normalized @ W_OV(model, head), written)


def test_a_head_that_does_not_exist_is_an_error_that_says_which_do(model):
    with pytest.raises(UserError, match=r"head 9\.0 does not exist: the model has layers 0-"):
        W_QK(model, Head(9, 0))


def test_a_model_without_norms_has_scale_one(normless_model, tokens_for):
    assert mean_norm_scale(normless_model, tokens_for(normless_model), 0) == 1.0


def test_the_diagonal_is_looked_for_among_all_keys():
    scores = torch.tensor([[3.0, 1.0, 9.0], [0.0, 5.0, 1.0], [0.0, 0.0, 0.0]])
    assert largest_on_diagonal(scores, torch.arange(2)).tolist() == [False, True]


def test_circuits_of_the_public_palindrome_model_are_the_golden_ones(public_palindromes):
    model, golden = public_palindromes.model, public_palindromes.tensors
    head = Head(0, 0)
    for at in (Head(0, 0), Head(1, 0)):
        name = f"{at.layer}{at.index}"
        torch.testing.assert_close(W_QK(model, at), golden[f"w_qk_{name}"], atol=1e-4, rtol=0)
        torch.testing.assert_close(W_OV(model, at), golden[f"w_ov_{name}"], atol=1e-4, rtol=0)
    scale = mean_norm_scale(model, arena_sample(100).tokens[:5], 0)
    assert scale == pytest.approx(public_palindromes.values["mean_ln1_scale_first5"], abs=1e-6)
    tokens = token_qk(model, head, scale)
    torch.testing.assert_close(tokens, golden["qk_circuit_00_embed_scores"], atol=1e-4, rtol=0)
    assert largest_on_diagonal(tokens, torch.arange(31)).all()
    positions = masked(position_qk(model, head, scale), "causal").softmax(-1)
    torch.testing.assert_close(positions, golden["qk_circuit_00_pos"], atol=1e-5, rtol=0)


def test_attention_with_and_without_positions_is_the_golden_one(public_palindromes):
    model, golden = public_palindromes.model, public_palindromes.tensors
    tokens = golden["repeated_toks"]
    without = attention_from_embeddings(model, Head(0, 0), model.W_E[tokens])
    with_position = attention_from_embeddings(model, Head(0, 0), model.W_E[tokens] + model.W_pos)
    torch.testing.assert_close(without, golden["attn_00_repeated_without_position"], atol=1e-5, rtol=0)
    torch.testing.assert_close(with_position, golden["attn_00_repeated_with_position"], atol=1e-5, rtol=0)
