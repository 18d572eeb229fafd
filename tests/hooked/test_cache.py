from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer


@pytest.fixture
def run(model, tokens_for):
    """A model, and the cache of its run on some tokens."""
    return model, HookedTransformer.wrap(model).run_with_cache(tokens_for(model))[1]


def test_short_names_and_long_ones_mean_the_same(padded_model, tokens_for):
    _, cache = HookedTransformer.wrap(padded_model).run_with_cache(tokens_for(padded_model))
    assert cache["pattern", 0] is cache["blocks.0.attn.hook_pattern"]
    assert cache["q", 0, "attn"] is cache["q", 0] is cache["q0"]
    assert cache["resid_pre", -1] is cache["blocks.1.hook_resid_pre"]
    assert cache["scale", 1, "ln2"] is cache["blocks.1.ln2.hook_scale"]
    assert cache["scale"] is cache["ln_final.hook_scale"]
    assert "pos_embed" in cache
    assert "q9" not in cache
    assert len(cache) == len(list(cache)) == len(cache.keys())


def test_only_what_was_asked_for_is_kept(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    for wanted in ("hook_embed", ["hook_embed"], lambda name: name == "hook_embed"):
        _, cache = hooked.run_with_cache(tokens, names_filter=wanted)
        assert list(cache) == ["hook_embed"]
    with pytest.raises(KeyError, match="names_filter"):
        _ = cache["pattern", 0]
    with pytest.raises(UserError, match="did you mean"):
        hooked.run_with_cache(tokens, names_filter="hook_embedding")


def test_a_single_input_loses_its_axis_and_a_batch_does_not(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    _, cache = hooked.run_with_cache(tokens[0], remove_batch_dim=True)
    assert cache["resid_pre", 0].shape == (tokens.shape[1], hooked.cfg.d_model)
    assert cache.stack_head_results().shape == (4, tokens.shape[1], hooked.cfg.d_model)
    with pytest.raises(UserError, match="3 inputs"):
        hooked.run_with_cache(tokens, remove_batch_dim=True)


def test_values_carry_no_gradient(padded_model, tokens_for):
    hooked = HookedTransformer.wrap(padded_model).requires_grad_()
    _, cache = hooked.run_with_cache(tokens_for(padded_model))
    assert not any(value.requires_grad for value in cache.values())


def test_parts_add_up_to_the_stream_before_any_layer(run):
    model, cache = run
    for layer in range(model.config.n_layers + 1):
        final = layer == model.config.n_layers
        whole = cache["resid_post", -1] if final else cache["resid_pre", layer]
        parts, labels = cache.decompose_resid(layer, return_labels=True)
        torch.testing.assert_close(parts.sum(0), whole)
        assert len(labels) == len(parts)
        heads = cache.stack_head_results(layer, incl_remainder=True)
        torch.testing.assert_close(heads.sum(0), whole)
    embeds = cache["embed"] + cache["pos_embed"]
    by_mode = sum(cache.decompose_resid(mode=mode, incl_embeds=False).sum(0) for mode in ("attn", "mlp")
                  if mode == "attn" or model.config.d_mlp)  # fmt: skip
    torch.testing.assert_close(embeds + by_mode, cache["resid_post", -1])


def test_head_results_are_in_the_order_of_their_labels(run):
    model, cache = run
    stack, labels = cache.stack_head_results(return_labels=True)
    assert labels == HookedTransformer.wrap(model).all_head_labels()
    for part, label in zip(stack, labels, strict=True):
        layer, head = (int(number) for number in label[1:].split("H"))
        assert torch.equal(part, cache["result", layer][..., head, :])


def test_head_results_are_made_from_z_where_they_were_not_kept(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    _, every = hooked.run_with_cache(tokens)
    _, cache = hooked.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_z"))
    torch.testing.assert_close(cache.stack_head_results(), every.stack_head_results())


def test_the_stream_is_shown_as_it_grows(padded_model, tokens_for):
    _, cache = HookedTransformer.wrap(padded_model).run_with_cache(tokens_for(padded_model))
    stack, labels = cache.accumulated_resid(incl_mid=True, return_labels=True)
    assert labels == ["0_pre", "0_mid", "1_pre", "1_mid", "final_post"]
    sites = ("blocks.0.hook_resid_pre", "blocks.0.hook_resid_mid", "blocks.1.hook_resid_pre",
             "blocks.1.hook_resid_mid", "blocks.1.hook_resid_post")  # fmt: skip
    assert all(torch.equal(part, cache[site]) for part, site in zip(stack, sites, strict=True))
    _, labels = cache.accumulated_resid(layer=1, mlp_input=True, return_labels=True)
    assert labels == ["0_pre", "1_pre", "1_mid"]
    assert cache.stack_activation("pattern").shape[0] == 2


@pytest.mark.parametrize("pos_slice", [None, -1, (0, 2), [0, 1]])
def test_parts_through_the_final_norm_add_up_to_what_it_gives(run, pos_slice):
    """Where the norm has no learnt scale and shift; without a norm, parts stay as they are."""
    model, cache = run
    through = cache.decompose_resid(apply_ln=True, pos_slice=pos_slice).sum(0)
    places = (
        slice(*pos_slice) if isinstance(pos_slice, tuple) else slice(None) if pos_slice is None else pos_slice
    )
    resid = cache["resid_post", -1][..., places, :]
    if model.config.normalization_type == "none":
        expected = resid
    else:
        kind = "layer_norm" if model.config.centred else "rms_norm"
        expected = getattr(torch.nn.functional, kind)(resid, resid.shape[-1:], eps=model.config.eps)
    torch.testing.assert_close(through, expected)


def test_a_stack_goes_through_the_norm_in_front_of_any_layer(padded_model, tokens_for):
    _, cache = HookedTransformer.wrap(padded_model).run_with_cache(tokens_for(padded_model))
    for mlp_input, site in ((False, "resid_pre"), (True, "resid_mid")):
        resid = cache[site, 1]
        parts = cache.decompose_resid(layer=1, mlp_input=mlp_input)
        torch.testing.assert_close(parts.sum(0), resid)
        through = cache.apply_ln_to_stack(parts, layer=1, mlp_input=mlp_input).sum(0)
        eps = padded_model.config.eps
        torch.testing.assert_close(through, torch.nn.functional.layer_norm(resid, resid.shape[-1:], eps=eps))
    some = cache.apply_ln_to_stack(parts[:, 1:2], layer=1, mlp_input=True, batch_slice=slice(1, 2)).sum(0)
    torch.testing.assert_close(some, through[1:2])


def test_what_makes_no_stack_is_refused(run):
    model, cache = run
    with pytest.raises(UserError, match="does not exist"):
        cache.decompose_resid(layer=model.config.n_layers + 1)
    with pytest.raises(UserError, match="choose from all, attn, mlp"):
        cache.decompose_resid(mode="heads")
    with pytest.raises(UserError, match="nothing is written"):
        cache.stack_head_results(layer=0)
