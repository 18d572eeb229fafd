"""Models in memory, by what they have and not by who made them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import algoscope
from algoscope import checkpoints
from algoscope.checkpoints.live import content_of
from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer


def test_our_own_model_is_copied_with_its_config_and_frozen(model, tokens_for):
    model = model.float().requires_grad_()
    found = checkpoints.read(model)
    assert found.model.config == model.config
    assert not any(value.requires_grad for value in found.model.parameters())
    tokens = tokens_for(model)
    before = model(tokens)
    assert torch.equal(found.model(tokens), before)
    with torch.no_grad():
        found.model.W_E.zero_()
    assert torch.equal(model(tokens), before)
    assert all(value.requires_grad for value in model.parameters())


def test_a_hooked_transformer_is_read_with_its_cfg(model, tokens_for):
    model = model.float()
    hooked = HookedTransformer.wrap(model)
    tokens = tokens_for(model)
    assert torch.equal(algoscope.load(hooked)(tokens), model(tokens))


class Own(nn.Module):
    def __init__(self, model, config):
        super().__init__()
        self.tok, self.rest, self.config = nn.Embedding(5, 8), model, config
        self.tok.weight.data = model.W_E.data


@dataclass
class Settings:
    act_fn: str = "relu"


@pytest.mark.parametrize(
    "config",
    [
        Settings(),
        SimpleNamespace(act_fn="relu"),
        {"act_fn": "relu"},
        SimpleNamespace(to_dict=lambda: {"act_fn": "relu"}),
    ],
)
def test_settings_are_found_whatever_class_they_have(padded_model, config):
    assert content_of(Own(padded_model, config)).config == {"act_fn": "relu"}


@pytest.mark.parametrize("config", [None, 3, "text"])
def test_what_is_no_config_says_nothing(padded_model, config):
    assert content_of(Own(padded_model, config)).config == {}


def test_names_map_a_model_in_memory_too(padded_model, tokens_for):
    own = nn.ModuleDict({"inner": padded_model.float()})
    names = {f"inner.{name}": name for name in padded_model.state_dict()}
    settings = {"attention_dir": "bidirectional", "act_fn": "relu", "pad_token": 1}
    tokens = tokens_for(padded_model)
    assert torch.equal(algoscope.load(own, names=names, **settings)(tokens), padded_model(tokens))


def test_hooks_that_are_left_out_are_counted(padded_model):
    padded_model.ln_final.register_forward_hook(lambda *_: None)
    found = checkpoints.read(padded_model)
    assert ("forward hooks left out", "1") in [(each.setting, each.value) for each in found.inferred]


def test_a_model_without_tensors_is_one_error():
    with pytest.raises(UserError, match="ReLU: its state dict holds no tensors"):
        algoscope.load(nn.ReLU())
