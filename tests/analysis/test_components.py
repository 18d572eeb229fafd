from __future__ import annotations

import pytest
import torch

from algoscope.analysis.components import Components, decompose, decompose_everywhere, embeddings_apart
from algoscope.errors import UserError
from algoscope.model.component import EMBEDDING, POSITION, TOKEN, heads_and_mlps
from algoscope.model.config import Config
from algoscope.tasks.task import Examples

THREE_HEADS = Config(
    n_layers=1, d_model=2, n_heads=3, d_head=1, n_ctx=2, d_vocab=2, d_vocab_out=2, attention_dir="causal"
)


def slow_components(model, tokens, position):
    """Every component at one position, in order, by loops over layers, heads and inputs."""
    _, cache = model.run_with_cache(tokens)
    found = {"embedding": cache["hook_embed"][:, position] + cache["hook_pos_embed"][:, position]}
    for layer in range(model.config.n_layers):
        result = cache[f"blocks.{layer}.attn.hook_result"]
        for head in range(model.config.n_heads):
            found[f"{layer}.{head}"] = torch.stack([one[position, head] for one in result])
        if model.config.d_mlp:
            found[f"MLP {layer}"] = cache[f"blocks.{layer}.hook_mlp_out"][:, position]
    return found


@pytest.mark.parametrize("position", [0, 1, -1])
def test_components_are_those_of_a_loop_over_the_cache(small, strings, position):
    slow = slow_components(small, strings.tokens, position)
    found = decompose(small, strings, position)
    assert tuple(map(str, found.parts)) == tuple(slow)
    torch.testing.assert_close(found.values, torch.stack(list(slow.values())), atol=1e-6, rtol=1e-5)


def test_components_and_biases_add_up_to_the_residual_stream(small, strings):
    last = small.config.n_layers - 1
    _, cache = small.run_with_cache(strings.tokens, [f"blocks.{last}.hook_resid_post"])
    found = decompose(small, strings, 0)
    torch.testing.assert_close(found.resid, cache[f"blocks.{last}.hook_resid_post"][:, 0])
    assert found.max_error < 1e-5


def test_a_component_left_out_shows_in_the_error(small, strings):
    found = decompose(small, strings, 0)
    found.values[1] = 0
    assert found.max_error > 0.01


def test_before_an_earlier_layer_only_what_was_written_by_then_is_there(small, strings):
    _, cache = small.run_with_cache(strings.tokens, ["blocks.1.hook_resid_pre"])
    found = decompose(small, strings, 1, before=1)
    assert {part.layer for part in found.parts} == {EMBEDDING.layer, 0}
    torch.testing.assert_close(found.resid, cache["blocks.1.hook_resid_pre"][:, 1])
    assert found.max_error < 1e-5


def test_marked_places_become_rows_input_by_input(small, strings):
    mask = torch.zeros_like(strings.answered)
    mask[:, 1:3] = True
    both = decompose(small, strings, mask)
    for offset in (0, 1):
        one = decompose(small, strings, 1 + offset)
        torch.testing.assert_close(both.values[:, offset::2], one.values, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(both.resid[offset::2], one.resid, atol=1e-6, rtol=1e-5)


def test_token_and_position_embedding_apart_are_the_rows_of_the_models_tables(small, strings):
    mask = strings.tokens == 3
    whole = decompose(small, strings, mask)
    apart = embeddings_apart(small, strings, mask, whole)
    assert apart.parts == (TOKEN, POSITION, *whole.parts[1:])
    for row, (example, position) in enumerate(mask.nonzero()[:20].tolist()):
        token = small.W_E[strings.tokens[example, position]]
        torch.testing.assert_close(apart[TOKEN][row], token)
        torch.testing.assert_close(apart[POSITION][row], small.W_pos[position], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(apart.values[2:], whole.values[1:])
    assert apart.max_error < 1e-5


def test_a_position_embedding_is_that_of_the_position_id(normless_model):
    tokens, ids = torch.tensor([[1, 2]]), torch.tensor([[2, 3]])
    examples = Examples(tokens, torch.tensor([0]), {}, torch.tensor([[False, True]]), ids)
    whole = decompose(normless_model, examples, examples.answered)
    apart = embeddings_apart(normless_model, examples, examples.answered, whole)
    torch.testing.assert_close(apart[POSITION][0], normless_model.W_pos[3])


def test_everywhere_the_parts_and_biases_add_up_to_the_stream_at_each_position(small, strings):
    parts, values = decompose_everywhere(small, strings[:3])
    last = small.config.n_layers - 1
    _, cache = small.run_with_cache(strings.tokens[:3], [f"blocks.{last}.hook_resid_post"])
    resid = cache[f"blocks.{last}.hook_resid_post"]
    assert parts[:2] == (TOKEN, POSITION)
    assert values.shape == (len(parts), *resid.shape)
    torch.testing.assert_close(values.sum(0) + small.b_O.sum(0), resid, atol=1e-5, rtol=1e-5)


def test_the_spread_of_a_part_is_the_share_of_variance_that_it_would_have_alone():
    values = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]], [[7.0, 3.0], [7.0, -1.0]], [[5.0, 5.0], [5.0, 5.0]]])
    found = Components(heads_and_mlps(THREE_HEADS), values, torch.zeros(2), values.sum(0))
    # Mean squares around the mean: 1, 4 and 0; of the sum, (13, 8) and (11, 4): 1 and 4.
    assert list(found.spread.values()) == pytest.approx([1 / 5, 4 / 5, 0.0])


def test_a_layer_that_does_not_exist_is_named(small, strings):
    with pytest.raises(UserError, match="layer 7 does not exist: the model has layers 0-1"):
        decompose(small, strings, 0, before=7)


def test_the_public_models_components_are_golden(public):
    golden = public.tensors["out_by_components_pos0_100"]
    found = public.components.values[:, :100]
    torch.testing.assert_close(found, golden, atol=1e-5 * golden.abs().max().item(), rtol=0)
    assert public.components.max_error < 1e-4
