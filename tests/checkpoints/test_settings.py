"""Is a model's config concluded from its weights, and is what they leave open asked for?"""

from __future__ import annotations

import pytest
import torch

from algoscope.checkpoints.settings import infer, weights
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.processing import process

OPEN = {"attention_dir": "bidirectional", "act_fn": "relu", "pad_token": 1}


def values(inferences):
    return {each.setting: each.value for each in inferences}


def source(inferences, setting):
    return next(each.source for each in inferences if each.setting == setting)


def test_a_config_is_recovered_from_weights_and_what_they_leave_open(model):
    config = model.config
    usual = {
        name: getattr(config, name) for name in ("attention_dir", "act_fn", "pad_token", "normalization_type")
    }
    found, inferences = infer(model.state_dict(), usual, {})
    assert found == config
    assert values(inferences).items() <= config.to_dict().items()


def test_norms_without_shifts_are_rms_norms_unless_the_file_has_no_bias_at_all(padded_model):
    shifts = ("ln1.b", "ln2.b", "ln_final.b")
    rms = {name: value for name, value in padded_model.state_dict().items() if not name.endswith(shifts)}
    assert infer(rms, OPEN, {})[0].normalization_type == "RMS"
    bare = {name: value for name, value in rms.items() if ".b_" not in name}
    assert infer(bare, OPEN, {})[0].normalization_type == "LN"
    assert infer(bare, OPEN, {"normalization_type": "RMS"})[0].normalization_type == "RMS"
    with pytest.raises(UserError, match="contradicts the file: RMS"):
        infer(rms, OPEN, {"normalization_type": "LN"})


def test_sizes_are_facts_with_the_tensor_that_shows_them(padded_model):
    _, inferences = infer(padded_model.state_dict(), OPEN, {})
    assert source(inferences, "d_head") == "shape of blocks.0.attn.W_Q"
    assert source(inferences, "normalization_type") == "blocks.0.ln1.w is there"


def test_a_full_mask_proves_bidirectional_attention_whatever_is_usual(padded_model):
    state = padded_model.state_dict() | {
        f"blocks.{layer}.attn.mask": torch.ones(5, 5, dtype=torch.bool) for layer in (0, 1)
    }
    config, inferences = infer(state, {"attention_dir": "causal", "act_fn": "relu"}, {})
    assert config.attention_dir == "bidirectional"
    assert source(inferences, "attention_dir") == "the stored mask is full"


def test_a_triangular_mask_leaves_the_direction_to_the_task(padded_model):
    state = padded_model.state_dict() | {"blocks.0.attn.mask": torch.ones(5, 5).tril().bool()}
    config, inferences = infer(state, OPEN, {})
    assert config.attention_dir == "bidirectional"
    assert "triangular, which does not tell" in source(inferences, "attention_dir")
    with pytest.raises(UserError, match=r"nor the task says attention_dir: give attention_dir= \(causal or"):
        infer(state, {"act_fn": "relu"}, {})


@pytest.mark.parametrize("shape", [(0, 0), (0,), (1, 1)])
def test_a_mask_of_no_or_one_position_proves_nothing(padded_model, shape):
    state = padded_model.state_dict() | {"blocks.0.attn.mask": torch.ones(shape, dtype=torch.bool)}
    config, inferences = infer(state, OPEN | {"attention_dir": "causal"}, {})
    assert config.attention_dir == "causal"
    assert "empty, which tells nothing" in source(inferences, "attention_dir")
    with pytest.raises(UserError, match="attention_dir"):
        infer(state, {name: value for name, value in OPEN.items() if name != "attention_dir"}, {})


def test_a_mask_of_another_size_is_refused(padded_model):
    state = padded_model.state_dict() | {"blocks.0.attn.mask": torch.ones(3, 3, dtype=torch.bool)}
    with pytest.raises(UserError, match=r"a stored attention mask is \[3, 3\]: with 5 positions"):
        infer(state, OPEN, {})


def test_another_mask_is_refused(padded_model):
    local = torch.ones(5, 5).tril().triu(-1).bool()
    with pytest.raises(UserError, match="neither full nor triangular"):
        infer(padded_model.state_dict() | {"blocks.0.attn.mask": local}, OPEN, {})


def test_without_a_task_every_open_setting_is_asked_for_at_once(padded_model):
    with pytest.raises(UserError, match=r"does not say attention_dir or act_fn: .* act_fn= \(relu or gelu"):
        infer(padded_model.state_dict(), {}, {})


def test_an_argument_beats_the_mask_and_the_task(padded_model):
    state = padded_model.state_dict() | {"blocks.0.attn.mask": torch.ones(5, 5, dtype=torch.bool)}
    config, inferences = infer(state, OPEN, {"attention_dir": "causal", "act_fn": "gelu", "eps": 1e-3})
    assert (config.attention_dir, config.act_fn, config.eps) == ("causal", "gelu", 1e-3)
    assert source(inferences, "act_fn") == "argument"


def test_an_argument_against_the_shapes_is_refused(padded_model):
    with pytest.raises(UserError, match=r"d_head=3 contradicts the file: 4 \(shape of blocks.0.attn.W_Q\)"):
        infer(padded_model.state_dict(), OPEN, {"d_head": 3})
    assert infer(padded_model.state_dict(), OPEN, {"d_head": 4})[0].d_head == 4


def test_an_unknown_argument_is_refused(padded_model):
    with pytest.raises(UserError, match="unknown setting 'act': a config has n_layers, "):
        infer(padded_model.state_dict(), OPEN, {"act": "relu"})


def test_what_nothing_says_is_assumed_and_recorded(padded_model):
    config, inferences = infer(padded_model.state_dict(), {}, {"attention_dir": "causal", "act_fn": "relu"})
    assert (config.eps, config.pad_token) == (Config.eps, None)
    assert source(inferences, "eps") == source(inferences, "pad_token") == "assumed: nothing in the file says"


def test_weights_without_norms_are_folded_where_norms_are_usual_and_else_asked_about(padded_model):
    state = process(padded_model).state_dict()
    config, inferences = infer(state, OPEN | {"normalization_type": "LN"}, {})
    assert config.normalization_type == "LNPre"
    assert "folded into the weights" in source(inferences, "normalization_type")
    with pytest.raises(
        UserError, match=r"says normalization_type: give normalization_type= \(LNPre or RMSPre or none\); on"
    ):
        infer(state, OPEN, {})
    assert infer(state, OPEN, {"normalization_type": "none"})[0].normalization_type == "none"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("blocks.0.attn.rotary_sin", "rotary"),
        ("blocks.0.attn._W_K", "grouped-query"),
    ],
)
def test_another_architecture_is_named(padded_model, name, what):
    with pytest.raises(UserError, match=what):
        infer(padded_model.state_dict() | {name: torch.zeros(1)}, OPEN, {})


def test_tensors_that_are_no_transformers_are_refused_with_what_they_are(padded_model):
    with pytest.raises(UserError, match=r"no embed.W_E, .*: it holds 0.bias, 0.weight \.\.\."):
        infer(torch.nn.Sequential(torch.nn.Linear(2, 2)).state_dict(), OPEN, {})
    with pytest.raises(UserError, match="it is empty"):
        infer({}, OPEN, {})
    with pytest.raises(
        UserError, match=r"blocks.0.attn.W_Q has the shape \[8, 8\]: expected \[head d_model d_head\]"
    ):
        infer(padded_model.state_dict() | {"blocks.0.attn.W_Q": torch.zeros(8, 8)}, OPEN, {})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.zeros(5, 8, dtype=torch.long), "embed.W_E holds int64 values"),
        (torch.full((5, 8), float("nan")), "embed.W_E has 40 values that are NaN or infinite"),
        (torch.full((5, 8), float("inf")), "NaN or infinite"),
        (torch.zeros(5, 8).to_sparse(), "dense floating-point"),
    ],
)
def test_tensors_that_can_be_no_weights_are_refused(padded_model, value, says):
    with pytest.raises(UserError, match=says):
        weights(padded_model.state_dict() | {"embed.W_E": value})


def test_constants_beside_the_weights_are_left_out(padded_model):
    constants = {
        "blocks.0.attn.mask": torch.ones(5, 5).bool(),
        "blocks.0.attn.IGNORE": torch.tensor(-torch.inf),
    }
    assert weights(padded_model.state_dict() | constants).keys() == padded_model.state_dict().keys()
