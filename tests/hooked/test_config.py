from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.hooked import HookedTransformerConfig

SIZES = {"n_layers": 2, "d_model": 12, "n_ctx": 5, "d_vocab": 7}


def make(**settings) -> HookedTransformerConfig:
    return HookedTransformerConfig(**SIZES | {"n_heads": 3, "act_fn": "relu"} | settings)


def test_what_is_left_out_is_filled_in_as_before():
    cfg = make()
    assert (cfg.d_head, cfg.d_mlp, cfg.d_vocab_out, cfg.attention_dir) == (4, 48, 7, "causal")
    assert (cfg.normalization_type, cfg.eps, cfg.attn_only, cfg.dtype) == ("LN", 1e-5, False, torch.float32)
    assert make(n_heads=-1, d_head=4).n_heads == 3
    assert make(n_heads=2, d_head=5).d_head == 5
    assert make(attn_only=True).d_mlp is None
    assert make(d_vocab_out=-1).d_vocab_out == 7
    assert (make().use_attn_result, make().positional_embedding_type) == (True, "standard")


def test_what_changes_nothing_is_taken():
    cfg = make(
        init_weights=True, seed=1, use_attn_result=True, use_hook_tokens=True, use_split_qkv_input=False,
        default_prepend_bos=False, gated_mlp=False, positional_embedding_type="standard", device="cpu",
    )  # fmt: skip
    assert cfg.config == make().config


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("positional_embedding_type", "rotary"),
        ("positional_embedding_type", "shortformer"),
        ("parallel_attn_mlp", True),
        ("use_local_attn", True),
        ("use_attn_scale", False),
        ("attn_scores_soft_cap", 50.0),
        ("scale_attn_by_inverse_layer_idx", True),
        ("n_key_value_heads", 1),
        ("final_rms", True),
        ("tokenizer_name", "gpt2"),
        ("initializer_range", 0.02),
    ],
)
def test_what_would_be_another_model_is_refused_by_name(argument, value):
    with pytest.raises(UserError, match=argument) as raised:
        make(**{argument: value})
    assert repr(value) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_head": 2}, "did you mean n_heads"),
        ({"n_heads": None}, "neither n_heads nor d_head"),
        ({"n_heads": 5}, "n_heads=5 does not divide d_model=12"),
        ({"d_vocab": -1}, "needs d_vocab"),
        ({"act_fn": None}, "act_fn is None"),
        ({"act_fn": "solu_ln"}, "choose from relu"),
        ({"normalization_type": "BN"}, "normalization_type is 'BN'"),
    ],
)
def test_what_makes_no_model_says_what_would(settings, says):
    with pytest.raises(UserError, match=says):
        make(**settings)


def test_a_dict_makes_the_same_config_again():
    cfg = make(act_fn="silu", gated_mlp=True, normalization_type="RMS", seed=4)
    assert HookedTransformerConfig.from_dict(cfg.to_dict()) == cfg
    assert (cfg.config.gated_mlp, cfg.config.normalization_type) == (True, "RMS")
    cfg = make(attn_only=True, normalization_type=None, pad_token=1, seed=4)
    assert HookedTransformerConfig.from_dict(cfg.to_dict()) == cfg
    assert cfg != make()
    assert cfg.config.pad_token == 1
    assert "n_layers=2" in repr(cfg)


def test_a_change_that_would_be_lost_is_an_error():
    cfg = make()
    cfg.use_attn_result = True
    with pytest.raises(UserError, match="d_model is fixed"):
        cfg.d_model = 3
    with pytest.raises(UserError, match="final_rms=True is not supported"):
        cfg.final_rms = True
    with pytest.raises(AttributeError):
        _ = cfg.d_modle
