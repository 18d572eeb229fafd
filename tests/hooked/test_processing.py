from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer
from algoscope.hooked.processing import on_state
from algoscope.model import processing

STEPS = ("center_writing_weights", "center_unembed", "fold_layer_norm", "fold_value_biases")


def same_answers(one, other, tokens) -> None:
    torch.testing.assert_close(one(tokens).log_softmax(-1), other(tokens).log_softmax(-1))


def test_the_four_calls_on_a_state_dict_leave_log_probabilities_as_they_are(model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(model), tokens_for(model)
    other = HookedTransformer(hooked.cfg)
    norms, centred = model.config.normalization_type != "none", model.config.centred
    state = hooked.state_dict() | {"blocks.0.attn.IGNORE": torch.tensor(-1e5)}
    for name in STEPS:
        if {"fold_layer_norm": norms, "center_writing_weights": centred}.get(name, True):
            state = getattr(hooked, name)(state)
    other.load_state_dict(state, strict=False)
    same_answers(hooked, other, tokens)
    assert not other.b_V.any()
    torch.testing.assert_close(other.W_U.mean(-1), torch.zeros_like(other.W_U[:, 0]))
    if centred:
        torch.testing.assert_close(other.W_O.mean(-1), torch.zeros_like(other.W_O[..., 0]))


def test_folding_sets_norms_to_one_and_zero_in_a_model_that_held_others(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    before = hooked(tokens).log_softmax(-1)
    hooked.load_state_dict(hooked.fold_layer_norm(hooked.state_dict()), strict=False)
    torch.testing.assert_close(hooked(tokens).log_softmax(-1), before)
    assert torch.equal(hooked.ln_final.w, torch.ones_like(hooked.ln_final.w))
    assert not hooked.blocks[1].ln2.b.any()


def test_a_state_dict_of_another_model_is_refused(padded_model):
    state = padded_model.state_dict()
    del state["blocks.1.attn.W_Q"]
    with pytest.raises(UserError, match=r"has no blocks\.1\.attn\.W_Q"):
        on_state(processing.center_unembed, state, padded_model.config)
    with pytest.raises(UserError, match="holds more"):
        on_state(
            processing.center_unembed,
            padded_model.state_dict() | {"more": torch.ones(1)},
            padded_model.config,
        )


def test_processing_in_place_keeps_hooks_and_whether_the_model_trains(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model).requires_grad_(), tokens_for(padded_model)
    before = hooked(tokens).log_softmax(-1)
    hooked.add_hook("hook_embed", lambda value, hook: 0 * value)
    hooked.process_weights_()
    assert not torch.allclose(hooked(tokens).log_softmax(-1), before)
    hooked.reset_hooks()
    torch.testing.assert_close(hooked(tokens).log_softmax(-1), before)
    assert hooked.cfg.normalization_type == "LNPre"
    assert hooked.embed.W_E is hooked.transformer.W_E
    assert hooked.W_E.requires_grad


def test_only_the_wanted_steps_are_done(padded_model):
    hooked = HookedTransformer(HookedTransformer.wrap(padded_model).cfg)
    state = padded_model.state_dict()
    hooked.load_and_process_state_dict(
        state, fold_ln=False, center_writing_weights=False, center_unembed=False
    )
    assert hooked.cfg.normalization_type == "LN"
    assert torch.equal(hooked.W_U, padded_model.W_U)
    assert not hooked.b_V.any()
    with pytest.raises(UserError, match="SVD"):
        hooked.process_weights_(refactor_factored_attn_matrices=True)
