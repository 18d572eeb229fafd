from __future__ import annotations

import numpy as np
import pytest
import torch

from algoscope.hooked import utils
from algoscope.model.config import Config
from algoscope.model.sites import sites


@pytest.mark.parametrize(
    ("short", "full"),
    [
        (("embed",), "hook_embed"),
        (("pos_embed",), "hook_pos_embed"),
        (("q", 0), "blocks.0.attn.hook_q"),
        (("query", 0), "blocks.0.attn.hook_q"),
        (("attn", 3), "blocks.3.attn.hook_pattern"),
        (("attn_scores", 1), "blocks.1.attn.hook_attn_scores"),
        (("result", 1, "attn"), "blocks.1.attn.hook_result"),
        (("post", 2), "blocks.2.mlp.hook_post"),
        (("mlp_pre", 2, "m"), "blocks.2.mlp.hook_pre"),
        (("resid_mid", 0), "blocks.0.hook_resid_mid"),
        (("attn_out", "1"), "blocks.1.hook_attn_out"),
        (("scale", 0, "ln1"), "blocks.0.ln1.hook_scale"),
        (("normalized", 2, "ln2"), "blocks.2.ln2.hook_normalized"),
        (("scale",), "ln_final.hook_scale"),
        (("k12",), "blocks.12.attn.hook_k"),
        (("resid_post3",), "blocks.3.hook_resid_post"),
        (("scale4ln1",), "blocks.4.ln1.hook_scale"),
        (("k6a",), "blocks.6.attn.hook_k"),
        (("blocks.0.attn.hook_q",), "blocks.0.attn.hook_q"),
        (("hook_embed",), "hook_embed"),
    ],
)
def test_a_short_name_is_written_out(short, full):
    assert utils.get_act_name(*short) == full


def test_every_site_has_a_short_name():
    config = Config(
        n_layers=2, d_model=4, n_heads=1, d_head=2, n_ctx=3, d_vocab=4, d_vocab_out=2, d_mlp=3, act_fn="relu",
        attention_dir="causal",
    )  # fmt: skip
    for name, site in sites(config).items():
        if name.startswith("unembed"):
            assert utils.get_act_name(name) == name
            continue
        *places, hook = name.split(".")
        part = next((place for place in places if place in ("ln1", "ln2")), None)
        assert utils.get_act_name(hook.removeprefix("hook_"), site.layer, part) == name


def test_numbers_become_an_array_without_gradient():
    value = torch.ones(2, requires_grad=True)
    assert utils.to_numpy(value).tolist() == [1, 1]
    assert isinstance(utils.to_numpy([1.0, 2.0]), np.ndarray)
    assert utils.get_device().type in ("cpu", "cuda")
