"""A model written for HookedTransformer comes back; benchmarks/files_tl2.py asks HookedTransformer itself."""

from __future__ import annotations

import json

import torch

from algoscope import checkpoints
from algoscope.checkpoints.exports import export
from algoscope.checkpoints.to_hooked import to_hooked_state_dict
from algoscope.hooked import HookedTransformer, HookedTransformerConfig


def test_it_comes_back_exactly_whatever_its_config(model, tmp_path):
    model = model.float()
    export(model, "hooked", tmp_path / "out")
    back = checkpoints.read(tmp_path / "out")
    assert back.model.config == model.config
    assert back.format == "HookedTransformer state dict"
    assert not any(each.setting == "assumed absent" for each in back.inferred)
    assert all(
        torch.equal(back.model.state_dict()[name], value) for name, value in model.state_dict().items()
    )


def test_its_config_makes_a_hooked_transformer_that_takes_the_weights(model, tmp_path, tokens_for):
    model = model.float()
    export(model, "hooked", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    hooked = HookedTransformer(HookedTransformerConfig(**config, pad_token=model.config.pad_token))
    hooked.load_state_dict(to_hooked_state_dict(model))
    tokens = tokens_for(model)
    assert torch.equal(hooked(tokens), model(tokens))


def test_the_state_dict_is_a_copy(model):
    state = to_hooked_state_dict(model)
    state["embed.W_E"].zero_()
    assert model.W_E.any()
