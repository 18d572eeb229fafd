from __future__ import annotations

import pytest
import torch

from algoscope.analysis.components import decompose
from algoscope.errors import UserError


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
    assert found.names == tuple(slow)
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
    assert not any(name.startswith("1.") or name == "MLP 1" for name in found.names)
    torch.testing.assert_close(found.resid, cache["blocks.1.hook_resid_pre"][:, 1])
    assert found.max_error < 1e-5


def test_several_positions_become_rows_input_by_input(small, strings):
    both = decompose(small, strings, slice(1, 3))
    for offset in (0, 1):
        one = decompose(small, strings, 1 + offset)
        torch.testing.assert_close(both.values[:, offset::2], one.values)
        torch.testing.assert_close(both.resid[offset::2], one.resid)


def test_a_layer_that_does_not_exist_is_named(small, strings):
    with pytest.raises(UserError, match="layer 7 does not exist: the model has layers 0-1"):
        decompose(small, strings, 0, before=7)


def test_the_public_models_components_are_golden(public):
    golden = public.tensors["out_by_components_pos0_100"]
    found = public.components.values[:, :100]
    torch.testing.assert_close(found, golden, atol=1e-5 * golden.abs().max().item(), rtol=0)
    assert public.components.max_error < 1e-4
