"""Can every value in the model be read and edited, and does each edit do what it says and no more?"""

from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.sites import sites


def sizes(model, tokens):
    config = model.config
    batch, seq = tokens.shape
    axes = {"batch": batch, "seq": seq, "query": seq, "key": seq, "one": 1}
    axes |= {"head": config.n_heads, "d_head": config.d_head, "d_model": config.d_model}
    return axes | {"neuron": config.d_mlp, "class": config.d_vocab_out}


def add_noise(value, site):
    """Positive, so that the scale of a layer norm stays one; the tokens of the next position for tokens."""
    if site.name == "hook_tokens":
        return value.roll(1, 1)
    return value + torch.rand(value.shape, generator=torch.Generator().manual_seed(0), dtype=value.dtype)


def test_every_site_has_the_shape_that_its_axes_say(model, tokens_for):
    tokens = tokens_for(model)
    _, cache = model.run_with_cache(tokens)
    for name, site in model.sites.items():
        assert list(cache[name].shape) == [sizes(model, tokens)[axis] for axis in site.axes], name


def test_an_edit_at_any_site_changes_the_logits_at_positions_that_hold_input(model, tokens_for):
    tokens = tokens_for(model)
    before, valid = model(tokens), tokens != model.config.pad_token
    for name in model.sites:
        after = model.run_with_hooks(tokens, [(name, add_noise)])
        assert (after - before)[valid].abs().max() > 1e-6, name


def test_an_edit_in_one_head_changes_the_logits_whichever_site_and_head(model, tokens_for):
    tokens = tokens_for(model)
    before = model(tokens)
    for name, site in model.sites.items():
        if "head" not in site.axes:
            continue
        for head in range(model.config.n_heads):
            where = tuple(head if axis == "head" else slice(None) for axis in site.axes)

            def edit(value, site, where=where):
                value[where] = add_noise(value[where], site)

            assert (model.run_with_hooks(tokens, [(name, edit)]) - before).abs().max() > 1e-6, (name, head)


def test_keys_and_values_at_padding_reach_no_one(padded_model):
    tokens = torch.tensor([[0, 2, 3, 1, 1]])
    before = padded_model(tokens)

    def edit(value, site):
        value[:, 3:] += 5

    for letter in "kv":
        for name in (f"blocks.1.attn.hook_{letter}", f"blocks.0.hook_{letter}_input"):
            after = padded_model.run_with_hooks(tokens, [(name, edit)])
            torch.testing.assert_close(after[:, :3], before[:, :3])


def test_scores_at_padding_change_nothing_as_the_mask_is_far_below_them(padded_model):
    tokens = torch.tensor([[0, 2, 3, 1, 1]])

    def edit(value, site):
        value[..., 3:] += 5

    edited = padded_model.run_with_hooks(tokens, [("blocks.0.attn.hook_attn_scores", edit)])
    torch.testing.assert_close(edited, padded_model(tokens))


def test_a_pattern_at_padding_takes_effect_as_nothing_masks_it_again(padded_model):
    tokens = torch.tensor([[0, 2, 3, 1, 1]])

    def edit(value, site):
        value[..., 3:] += 0.5

    edited = padded_model.run_with_hooks(tokens, [("blocks.0.attn.hook_pattern", edit)])
    assert (edited - padded_model(tokens))[:, :3].abs().max() > 1e-3


@pytest.mark.parametrize("letter", ["q", "k", "v"])
def test_another_input_to_one_head_changes_only_what_that_head_makes_of_it(padded_model, tokens_for, letter):
    tokens = tokens_for(padded_model)
    sites = [f"blocks.1.attn.hook_{each}" for each in "qkv"]
    _, before = padded_model.run_with_cache(tokens, sites)

    def edit(value, site):
        value[:, :, 1] = add_noise(value[:, :, 1], site)

    _, after = padded_model.run_with_cache(tokens, sites, hooks=[(f"blocks.1.hook_{letter}_input", edit)])
    for name in sites:
        torch.testing.assert_close(after[name][:, :, 0], before[name][:, :, 0])
        changed = not torch.allclose(after[name][:, :, 1], before[name][:, :, 1])
        assert changed == name.endswith(letter)


def test_reading_a_site_does_not_change_the_logits(model, tokens_for):
    tokens = tokens_for(model)
    before = model(tokens)
    for name in ("hook_embed", *(name for name in model.sites if name.startswith("blocks.0"))):
        torch.testing.assert_close(model.run_with_cache(tokens, [name])[0], before, rtol=0, atol=1e-12)


def test_patching_a_run_into_itself_changes_nothing(model, tokens_for):
    tokens = tokens_for(model)
    logits, cache = model.run_with_cache(tokens)
    for name in model.sites:
        patched = model.run_with_hooks(tokens, [(name, lambda value, site: cache[site.name])])
        torch.testing.assert_close(patched, logits, rtol=0, atol=1e-12)


def test_an_edit_in_place_takes_effect_at_its_site_only(model, tokens_for):
    tokens = tokens_for(model)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    _, clean = model.run_with_cache(tokens)

    def double(value, site):
        value.copy_(value.roll(1, 1) if site.name == "hook_tokens" else 2 * value)

    for met, name in enumerate(clean):
        upstream = list(clean)[:met]
        _, edited = model.run_with_cache(tokens, upstream, hooks=[(name, double)])
        for each in upstream:
            torch.testing.assert_close(edited[each], clean[each], rtol=0, atol=1e-12)
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_what_is_done_to_a_cached_value_reaches_neither_weights_nor_later_runs(model, tokens_for):
    tokens = tokens_for(model)
    before, weights = model(tokens), {name: value.clone() for name, value in model.state_dict().items()}
    for name in model.sites:
        logits, cache = model.run_with_cache(tokens, [name])
        kept = logits.clone()
        for index in torch.cartesian_prod(*map(torch.arange, cache[name].shape)).tolist():
            cache[name][tuple(index)] = 7.0
        assert torch.equal(logits, kept), name
        for parameter, value in model.state_dict().items():
            assert torch.equal(value, weights[parameter]), (name, parameter)
        assert torch.equal(model(tokens), before), name


def test_one_inputs_cached_position_embedding_is_its_own(padded_model, tokens_for):
    _, cache = padded_model.run_with_cache(tokens_for(padded_model), ["hook_pos_embed"])
    cache["hook_pos_embed"][1] *= 2
    assert not torch.equal(cache["hook_pos_embed"][1], cache["hook_pos_embed"][0])


def test_the_cache_holds_what_came_out_of_the_hooks(padded_model, tokens_for):
    name = "blocks.0.attn.hook_z"
    _, cache = padded_model.run_with_cache(
        tokens_for(padded_model), [name], hooks=[(name, lambda value, site: torch.zeros_like(value))]
    )
    assert not cache[name].any()


def test_hooks_at_one_site_run_in_the_order_in_which_they_are_given(padded_model, tokens_for):
    name, tokens = "blocks.0.hook_attn_out", tokens_for(padded_model)
    hooks = [(name, lambda value, site: value + 1), (name, lambda value, site: value * 0)]
    _, cache = padded_model.run_with_cache(tokens, [name], hooks=hooks)
    assert not cache[name].any()


def test_a_hook_is_told_which_site_it_is_at(padded_model, tokens_for):
    met = []
    wanted = ["blocks.1.mlp.hook_post", "blocks.0.attn.hook_q", "hook_embed"]
    hooks = [(name, lambda value, site: met.append((site.name, site.kind, site.layer))) for name in wanted]
    padded_model.run_with_hooks(tokens_for(padded_model), hooks)
    assert met == [
        ("hook_embed", "hook_embed", None),
        ("blocks.0.attn.hook_q", "attn.hook_q", 0),
        ("blocks.1.mlp.hook_post", "mlp.hook_post", 1),
    ]


def test_hooks_end_with_the_call(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    before = padded_model(tokens)
    padded_model.run_with_hooks(tokens, [("hook_embed", add_noise)])
    assert torch.equal(padded_model(tokens), before)


def test_a_hook_that_fails_leaves_the_model_as_it_was(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    before = padded_model(tokens)
    with pytest.raises(ZeroDivisionError):
        padded_model.run_with_hooks(tokens, [("hook_embed", lambda value, site: 1 / 0)])
    assert torch.equal(padded_model(tokens), before)


@pytest.mark.parametrize(("new", "got"), [(torch.zeros(2, 5, 2, 3), r"\[2, 5, 2, 3\]"), (1.5, "float")])
def test_a_value_of_another_shape_is_refused(padded_model, tokens_for, new, got):
    with pytest.raises(UserError, match=f"'blocks.0.attn.hook_q' returned {got}: .*batch seq head d_head"):
        padded_model.run_with_hooks(tokens_for(padded_model), [("blocks.0.attn.hook_q", lambda *_: new)])


@pytest.mark.parametrize("run", ["run_with_cache", "run_with_hooks"])
def test_a_site_that_does_not_exist_is_refused_with_the_nearest(padded_model, tokens_for, run):
    wanted = {
        "run_with_cache": ["blocks.0.attn.hook_query"],
        "run_with_hooks": [("blocks.0.attn.hook_query", print)],
    }
    with pytest.raises(UserError, match=r"did you mean 'blocks\.0\.attn\.hook_\w+'\?"):
        getattr(padded_model, run)(tokens_for(padded_model), wanted[run])


def test_one_site_as_a_text_is_refused(padded_model, tokens_for):
    with pytest.raises(UserError, match=r"give a list of names, \['hook_embed'\]"):
        padded_model.run_with_cache(tokens_for(padded_model), "hook_embed")


def test_sites_can_be_chosen_by_a_function_of_their_name(padded_model, tokens_for):
    _, cache = padded_model.run_with_cache(tokens_for(padded_model), lambda name: name.endswith("hook_z"))
    assert list(cache) == ["blocks.0.attn.hook_z", "blocks.1.attn.hook_z"]


def test_a_value_that_was_not_recorded_is_missed_with_the_nearest_that_was(padded_model, tokens_for):
    _, cache = padded_model.run_with_cache(tokens_for(padded_model), ["blocks.0.attn.hook_z"])
    with pytest.raises(KeyError, match=r"nearest that is there is 'blocks\.0\.attn\.hook_z'"):
        cache["blocks.0.attn.hook_v"]


def test_a_model_without_norms_or_mlp_has_no_sites_for_them():
    bare = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=2, n_ctx=4, d_vocab=3, d_vocab_out=2, attention_dir="causal",
        normalization_type="none",
    )  # fmt: skip
    assert not [name for name in sites(bare) if "ln" in name or "mlp" in name or "mid" in name]
