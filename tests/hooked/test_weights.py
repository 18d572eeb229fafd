from __future__ import annotations

import pytest
import torch

from algoscope.analysis.composition import composition
from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer


def test_stacks_are_the_models_own(model):
    hooked = HookedTransformer.wrap(model)
    assert torch.equal(hooked.W_E_pos, torch.cat((model.W_E, model.W_pos)))
    for layer in range(model.config.n_layers):
        assert torch.equal(hooked.W_Q[layer], model.block(layer).attn.W_Q)
        assert torch.equal(hooked.b_O[layer], model.block(layer).attn.b_O)


def test_composition_is_that_of_the_analysis(model):
    hooked, ours = HookedTransformer.wrap(model), composition(model, draws=1)
    for kind in "QKV":
        scores = hooked.all_composition_scores(kind)
        expected = torch.zeros_like(scores)
        for name, writer, reader in ours.pairs:
            if name == kind:
                at = writer.layer, writer.index, reader.layer, reader.index
                expected[at] = ours.score(kind, writer, reader)
        torch.testing.assert_close(scores, expected, atol=1e-6, rtol=1e-5)
    with pytest.raises(UserError, match="choose from Q, K, V"):
        hooked.all_composition_scores("O")


def test_a_head_that_writes_nothing_composes_with_none(padded_model):
    hooked = HookedTransformer.wrap(padded_model)
    hooked.blocks[0].attn.W_O[1] = 0
    assert not hooked.all_composition_scores("V")[0, 1].any()


def test_biases_add_up_to_the_stream_of_a_model_that_writes_nothing_else(model, tokens_for):
    hooked = HookedTransformer.wrap(model)
    for name, value in hooked.named_parameters():
        if name.split(".")[-1] not in ("b_O", "b_out", "w", "b"):
            value.zero_()
    _, cache = hooked.run_with_cache(tokens_for(model))
    mlps = bool(model.config.d_mlp)
    for layer in range(model.config.n_layers):
        sites = [(False, "resid_pre")] + ([(True, "resid_mid")] if mlps else [])
        for mlp_input, site in sites:
            expected = cache[site, layer][0, 0]
            torch.testing.assert_close(hooked.accumulated_bias(layer, mlp_input), expected)
    heads_alone = hooked.accumulated_bias(model.config.n_layers, include_mlp_biases=False)
    torch.testing.assert_close(heads_alone, model.b_O.sum(0))
    with pytest.raises(UserError, match="does not exist"):
        hooked.accumulated_bias(model.config.n_layers, mlp_input=True)


def test_directions_are_columns_of_the_unembedding(padded_model):
    hooked, W_U = HookedTransformer.wrap(padded_model), padded_model.W_U
    tokens = torch.tensor([[0, 2], [1, 1]])
    found = hooked.tokens_to_residual_directions(tokens)
    for row in range(2):
        for place in range(2):
            assert torch.equal(found[row, place], W_U[:, tokens[row, place]])
    for one in (2, torch.tensor(2), torch.tensor([2])):
        assert torch.equal(hooked.tokens_to_residual_directions(one), W_U[:, 2])
    with pytest.raises(UserError, match="logits 0 to 2"):
        hooked.tokens_to_residual_directions(-1)
    with pytest.raises(UserError, match="give its number"):
        hooked.tokens_to_residual_directions("yes")


def test_a_tasks_classes_name_directions():
    hooked = HookedTransformer.from_pretrained("brackets")
    found = hooked.tokens_to_residual_directions("balanced")
    assert torch.equal(found, hooked.W_U[:, hooked.task.classes.index("balanced")])
    _, cache = hooked.run_with_cache(["(())", ")("])
    stack = cache.stack_head_results(pos_slice=0)
    pushed = cache.logit_attrs(stack, "balanced", "unbalanced", pos_slice=0)
    numbers = [hooked.task.classes.index(name) for name in ("balanced", "unbalanced")]
    assert torch.equal(pushed, cache.logit_attrs(stack, *numbers, pos_slice=0))
    with pytest.raises(UserError, match="choose from unbalanced, balanced"):
        hooked.tokens_to_residual_directions("(")
