"""Is every config one of a transformer, and every other refused?"""

from __future__ import annotations

import json

import pytest

from algoscope.errors import UserError
from algoscope.model.config import Config

SMALLEST = {
    "n_layers": 1, "d_model": 4, "n_heads": 1, "d_head": 2, "n_ctx": 4, "d_vocab": 3, "d_vocab_out": 2,
    "attention_dir": "causal",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_layers": 0}, "n_layers is 0: give a whole number"),
        ({"d_head": 2.5}, "d_head is 2.5"),
        ({"d_mlp": 0, "act_fn": "relu"}, "d_mlp is 0"),
        ({"attention_dir": "both"}, "choose from causal, bidirectional"),
        ({"normalization_type": "BN"}, "choose from LN, LNPre, RMS, RMSPre, none"),
        ({"gated_mlp": True}, "gated_mlp is true, but there is no MLP"),
        ({"d_mlp": 4, "act_fn": "relu", "gated_mlp": None}, "gated_mlp is None: give true or false"),
        ({"act_fn": "relu"}, "there is no MLP"),
        ({"d_mlp": 4}, "act_fn is None: choose from relu"),
        ({"d_mlp": 4, "act_fn": "tanh"}, "act_fn is 'tanh'"),
        ({"eps": 0}, "eps is 0"),
        ({"pad_token": 3}, "pad_token is 3: the vocabulary has the ids 0 to 2"),
        ({"d_ff": 3}, "unknown setting 'd_ff'"),
    ],
)
def test_what_makes_no_transformer_is_refused(change, says):
    with pytest.raises(UserError, match=says):
        Config.from_dict(SMALLEST | change)


def test_a_missing_setting_is_named():
    with pytest.raises(UserError, match="d_vocab_out"):
        Config.from_dict({name: value for name, value in SMALLEST.items() if name != "d_vocab_out"})


def test_a_config_survives_json():
    config = Config.from_dict(
        SMALLEST | {"d_mlp": 5, "act_fn": "gelu", "pad_token": 1, "eps": 1e-6, "gated_mlp": True}
    )
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
