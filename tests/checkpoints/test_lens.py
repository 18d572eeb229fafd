"""Is every setting of a TransformerLens config read, harmless, or refused by name?"""

from __future__ import annotations

import pytest
import torch

from algoscope.checkpoints.lens import SWITCHES, TRACELESS, stated, untold
from algoscope.errors import UserError

CONFIG = {
    "n_layers": 2, "n_heads": 2, "d_head": 4, "d_model": 8, "d_mlp": 7, "n_ctx": 5, "d_vocab": 5,
    "d_vocab_out": -1, "act_fn": "relu", "attention_dir": "bidirectional", "normalization_type": "LNPre",
    "eps": 1e-4, "attn_only": False, "gated_mlp": False, "dtype": "torch.float32",
}  # fmt: skip


def said(config):
    return {each.setting: each.value for each in stated(config)}


def test_what_it_says_of_our_settings_is_read():
    names = "n_layers n_heads d_head d_model d_mlp n_ctx d_vocab act_fn gated_mlp attention_dir eps"
    names += " normalization_type"
    assert said(CONFIG) == {name: CONFIG[name] for name in names.split()}


def test_no_norm_and_no_mlp_are_read():
    assert said(CONFIG | {"normalization_type": None})["normalization_type"] == "none"
    alone = said(CONFIG | {"attn_only": True})
    assert alone["d_mlp"] is None
    assert "act_fn" not in alone


def test_a_training_scripts_settings_are_no_models():
    assert said({"eps": 1e-8, "d_model": 3, "lr": 0.1, "act_fn": "gelu"}) == {"act_fn": "gelu"}


def test_a_switch_that_is_off_changes_nothing_and_is_no_longer_assumed_absent():
    off = {name: switch.off[0] for name, switch in SWITCHES.items()}
    assert stated(CONFIG | off) == stated(CONFIG)
    assert untold(CONFIG) == TRACELESS
    assert untold(CONFIG | off) == ()
    assert len(TRACELESS) == 7


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [True, 3.0, "else", torch.ones(2)])
def test_a_switch_that_is_on_is_refused_by_name(name, value):
    if value is True and True in SWITCHES[name].off:
        value = False
    with pytest.raises(UserError, match=f"the config says {name}=.*: {SWITCHES[name].what} can't be read"):
        stated(CONFIG | {name: value})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"positional_embedding_type": "rotary"}, "rotary positions can't be read"),
        ({"positional_embedding_type": "alibi"}, "ALiBi positions can't be read"),
        ({"n_key_value_heads": 1}, "grouped heads"),
        ({"final_rms": True}, "final_rms=True"),
        ({"attn_scale": 1.0}, "attn_scale=1.0, and scores are divided by √d_head"),
    ],
)
def test_what_depends_on_more_than_one_setting_is_refused_by_name(change, says):
    with pytest.raises(UserError, match=says):
        stated(CONFIG | change)


@pytest.mark.parametrize("change", [{"n_key_value_heads": 2}, {"attn_scale": 2.0}, {"attn_scale": -1.0}])
def test_what_says_the_same_in_other_words_is_read(change):
    assert said(CONFIG | change) == said(CONFIG)
