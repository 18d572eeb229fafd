from __future__ import annotations

import pytest
import torch

from algoscope.analysis.head_circuits import head_circuits, norm_scale, not_padding
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

TOKENS = torch.tensor([[3, 1, 4], [4, 3, 0], [1, 1, 0]])
PAD, NOT_SEEN = 0, 2


@pytest.fixture
def reader() -> Transformer:
    """A norm-free layer with random weights and biases; of its five tokens one pads and one is not seen."""
    config = Config(
        n_layers=1, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=3, pad_token=PAD,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config, seed=0).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator).double())
    return model


@pytest.fixture
def examples() -> Examples:
    answered = torch.tensor([[False, True, False]]).expand(3, 3)
    return Examples(TOKENS, torch.zeros(3, dtype=torch.long), {}, answered)


def circuits(model: Transformer, examples: Examples, final_scale: float = 1.0):
    return head_circuits(model, examples, Head(0, 1), examples.answered, 1.0, final_scale)


def test_tables_are_over_the_tokens_and_positions_that_occur(reader, examples):
    found = circuits(reader, examples)
    assert (found.tokens.tolist(), found.positions.tolist()) == ([1, 3, 4], [0, 1, 2])
    assert found.token_qk.shape == found.position_qk.shape == (3, 3)
    assert found.token_ov.shape == found.position_ov.shape == (3, 3)


def test_token_scores_are_the_models_own_with_every_token_at_the_average_position(reader, examples):
    found = circuits(reader, examples)
    used = TOKENS != PAD
    places = torch.arange(3).expand(3, 3)[used]
    query_place = reader.W_pos[places].mean(0)
    attention = reader.block(0).attn
    for row, query in enumerate(found.tokens.tolist()):
        q = (reader.W_E[query] + query_place) @ attention.W_Q[1] + attention.b_Q[1]
        scores = torch.stack([q @ (reader.W_E[key] @ attention.W_K[1]) for key in found.tokens]) / 3**0.5
        torch.testing.assert_close(found.token_qk[row], scores - scores.mean())
    assert found.token_spread == pytest.approx(found.token_qk.std(1, correction=0).mean().item())


def test_position_scores_are_those_of_the_average_token_and_blank_where_a_key_comes_later(reader, examples):
    found = circuits(reader, examples)
    average = reader.W_E[TOKENS[TOKENS != PAD]].mean(0)
    attention = reader.block(0).attn
    spreads = []
    for query in range(3):
        q = (reader.W_pos[query] + average) @ attention.W_Q[1] + attention.b_Q[1]
        keys = range(query + 1)
        scores = torch.stack([q @ (reader.W_pos[key] @ attention.W_K[1]) for key in keys]) / 3**0.5
        torch.testing.assert_close(found.position_qk[query, : query + 1], scores - scores.mean())
        assert found.position_qk[query, query + 1 :].isnan().all()
        spreads.append(scores.std(correction=0).item())
    assert found.position_spread == pytest.approx(sum(spreads) / 3)


def test_what_is_written_is_in_logits_less_the_mean_over_sources(reader, examples):
    found = circuits(reader, examples, final_scale=2.0)
    attention = reader.block(0).attn
    logits = (reader.W_E[found.tokens] @ attention.W_V[1]) @ attention.W_O[1] @ reader.W_U / 2
    torch.testing.assert_close(found.token_ov, logits - logits.mean(0))
    logits = (reader.W_pos[:3] @ attention.W_V[1]) @ attention.W_O[1] @ reader.W_U / 2
    torch.testing.assert_close(found.position_ov, logits - logits.mean(0))


def test_positions_are_those_that_examples_have(reader, examples):
    ids = torch.tensor([[1, 2, 3], [1, 2, 3], [0, 1, 2]])
    moved = Examples(examples.tokens, examples.labels, {}, examples.answered, ids)
    # 3 and 0 pad nothing: only the first input goes as far as position 3.
    assert circuits(reader, moved).positions.tolist() == [0, 1, 2, 3]
    assert circuits(reader, moved[1:]).positions.tolist() == [0, 1, 2]


def test_the_share_that_matches_and_the_share_that_copies_are_counted_by_hand(reader, examples):
    found = circuits(reader, examples)
    found.token_qk[:] = torch.tensor([[5.0, 0, 0], [6, 5, 0], [0, 0, 5]])
    assert found.matches == pytest.approx(2 / 3)
    found.token_ov[:] = torch.tensor([[5.0, 0, 0], [0, 0, 5], [0, 0, 5]])
    assert found.copies({1: 0, 3: 1, 4: 2}) == pytest.approx(2 / 3)
    assert found.copies({1: 0, 4: 1, NOT_SEEN: 2}) == pytest.approx(1 / 2)


def test_the_scale_of_a_norm_is_its_mean_where_nothing_pads(examples):
    config = Config(
        n_layers=2, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=3, pad_token=PAD,
        attention_dir="causal", normalization_type="LNPre",
    )  # fmt: skip
    model = Transformer(config, seed=3).double().requires_grad_(False)
    _, cache = model.run_with_cache(TOKENS, ["blocks.1.ln1.hook_scale"])
    expected = cache["blocks.1.ln1.hook_scale"][TOKENS != PAD].mean().item()
    assert norm_scale(model, examples, 1, not_padding(model, examples)) == pytest.approx(expected)


def test_scores_are_divided_by_the_scale_on_both_sides_and_what_is_written_once(reader, examples):
    reader.block(0).attn.b_Q.zero_()
    one, two = (
        head_circuits(reader, examples, Head(0, 1), examples.answered, scale, 1.0) for scale in (1, 2)
    )
    torch.testing.assert_close(one.token_qk, 4 * two.token_qk)
    torch.testing.assert_close(one.position_qk, 4 * two.position_qk, equal_nan=True)
    torch.testing.assert_close(one.token_ov, 2 * two.token_ov)


def test_without_a_norm_the_scale_is_1_and_without_padding_every_place_counts(
    reader, examples, normless_model
):
    assert norm_scale(reader, examples, 0, examples.answered) == 1.0
    assert not_padding(normless_model, examples).all()
    assert not_padding(reader, examples).tolist() == (TOKENS != PAD).tolist()
