from __future__ import annotations

import copy

import pytest
import torch

from algoscope.errors import AbsentError, UserError
from algoscope.hooked import HookedTransformer, HookedTransformerConfig, HookPoint, LayerNorm


def test_every_site_is_an_attribute_where_its_name_says(model):
    hooked = HookedTransformer.wrap(model)
    for name, point in hooked.hook_dict.items():
        found = hooked
        for word in name.split("."):
            found = found[int(word)] if word.isdigit() else getattr(found, word)
        assert found is point is hooked.mod_dict[name]
        assert isinstance(found, HookPoint)
    assert list(hooked.hook_points()) == list(hooked.hook_dict.values())


def test_parameters_are_the_models_own_and_each_is_there_once(model):
    hooked = HookedTransformer.wrap(model)
    ours = dict(model.named_parameters())
    assert {name: id(value) for name, value in hooked.named_parameters()} == {
        name: id(value) for name, value in ours.items()
    }
    assert list(hooked.state_dict()) == list(model.state_dict())


def test_a_weight_that_is_put_in_is_the_models(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    other = copy.deepcopy(hooked)
    weight = torch.nn.Parameter(torch.zeros_like(padded_model.W_E))
    other.embed.W_E = weight
    assert other.transformer.W_E is weight
    assert hooked.transformer.W_E is not weight
    assert not torch.equal(other(tokens), hooked(tokens))
    other.load_state_dict(hooked.state_dict(), assign=True)
    assert torch.equal(other(tokens), hooked(tokens))


def test_parts_compute_what_they_compute_in_a_run(model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(model), tokens_for(model)
    logits, cache = hooked.run_with_cache(tokens)
    torch.testing.assert_close(hooked.embed(tokens), cache["embed"])
    torch.testing.assert_close(hooked.pos_embed(tokens), cache["pos_embed"])
    torch.testing.assert_close(hooked.unembed(hooked.ln_final(cache["resid_post", -1])), logits)
    if model.config.d_mlp:
        block = hooked.blocks[1]
        torch.testing.assert_close(block.mlp(block.ln2(cache["resid_mid", 1])), cache["mlp_out", 1])
    assert torch.equal(hooked.embed(tokens[0]), hooked.embed(tokens)[0])


def test_a_hook_that_was_added_takes_part_when_its_part_is_called(padded_model, tokens_for):
    hooked = HookedTransformer.wrap(padded_model)
    _, cache = hooked.run_with_cache(tokens_for(padded_model))
    mlp, resid = hooked.blocks[0].mlp, cache["normalized", 0, "ln2"]
    before = mlp(resid)
    mlp.hook_post.add_hook(lambda value, hook: 0 * value)
    assert torch.equal(mlp(resid), mlp.b_out.expand_as(before))
    hooked.reset_hooks()
    assert torch.equal(mlp(resid), before)


def test_a_hook_that_was_added_at_a_part_takes_part_in_a_run(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    edit = [("blocks.1.attn.hook_z", lambda value, hook: 0 * value)]
    expected = hooked.run_with_hooks(tokens, fwd_hooks=edit)
    hooked.blocks[1].attn.hook_z.add_hook(edit[0][1])
    assert torch.equal(hooked(tokens), expected)


def test_norms_know_their_name_and_kind(padded_model):
    hooked = HookedTransformer.wrap(padded_model)
    assert (hooked.ln_final.name, hooked.blocks[1].ln2.name) == ("ln_final", "blocks.1.ln2")
    assert isinstance(hooked.ln_final, LayerNorm)
    assert hooked.ln_final.eps == padded_model.config.eps
    hooked.process_weights_()
    with pytest.raises(AbsentError, match="ln_final has no w"):
        _ = hooked.ln_final.w


def test_circuits_of_a_layer_are_those_of_the_model(padded_model):
    hooked = HookedTransformer.wrap(padded_model)
    torch.testing.assert_close(hooked.blocks[1].attn.OV.AB, hooked.W_OV[1])
    torch.testing.assert_close(hooked.blocks[0].attn.QK.AB, hooked.W_QK[0])


def test_what_depends_on_the_mask_is_not_called_by_itself(padded_model, tokens_for):
    hooked = HookedTransformer.wrap(padded_model)
    resid = hooked.embed(tokens_for(padded_model))
    for part in (hooked.blocks[0], hooked.blocks[0].attn):
        with pytest.raises(UserError, match="hook the site of its input"):
            part(resid)


def test_an_attention_only_model_has_no_mlp():
    model = HookedTransformer(
        HookedTransformerConfig(n_layers=1, d_model=4, n_ctx=3, n_heads=1, d_vocab=3, attn_only=True)
    )
    with pytest.raises(AbsentError, match=r"blocks\.0 has no mlp"):
        _ = model.blocks[0].mlp
