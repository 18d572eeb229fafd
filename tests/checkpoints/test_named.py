"""Weights under a user's own names become the same model."""

from __future__ import annotations

import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file

import algoscope
from algoscope import checkpoints
from algoscope.checkpoints.named import read_names
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

CONFIG = Config(
    n_layers=2, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=3, d_mlp=7,
    act_fn="relu", attention_dir="causal", normalization_type="none",
)  # fmt: skip
NAMES = {
    "tok.weight": "embed.W_E",
    "pos": "pos_embed.W_pos",
    "layers.{layer}.q.weight": "blocks.{layer}.attn.W_Q.T",
    "layers.{layer}.k.weight": "blocks.{layer}.attn.W_K.T",
    "layers.{layer}.v.weight": "blocks.{layer}.attn.W_V.T",
    "layers.{layer}.o.weight": "blocks.{layer}.attn.W_O.T",
    "layers.{layer}.fc1.weight": "blocks.{layer}.mlp.W_in.T",
    "layers.{layer}.fc2.weight": "blocks.{layer}.mlp.W_out.T",
    "head.weight": "unembed.W_U.T",
}
SETTINGS = {"n_heads": 2, "act_fn": "relu", "attention_dir": "causal", "normalization_type": "none"}


@pytest.fixture
def model():
    return Transformer(CONFIG, seed=1).requires_grad_(False)


@pytest.fixture
def file(model, tmp_path):
    state = {"tok.weight": model.W_E, "pos": model.W_pos, "head.weight": model.W_U.T}
    for layer in range(2):
        block = model.block(layer)
        for letter in "QKV":
            weight = getattr(block.attn, f"W_{letter}")
            state[f"layers.{layer}.{letter.lower()}.weight"] = rearrange(weight, "h d_in d -> (h d) d_in")
        state[f"layers.{layer}.o.weight"] = rearrange(block.attn.W_O, "h d d_out -> d_out (h d)")
        state[f"layers.{layer}.fc1.weight"] = block.mlp.W_in.T
        state[f"layers.{layer}.fc2.weight"] = block.mlp.W_out.T
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


def test_mapped_weights_are_the_model(model, file):
    found = checkpoints.read(file, names=NAMES, **SETTINGS)
    tokens = torch.tensor([[0, 1, 2, 3]])
    assert torch.equal(found.model(tokens), model(tokens))
    assert ("format", "names given by the user") in [(each.setting, each.value) for each in found.inferred]


def test_a_toml_file_holds_the_same_names(file, tmp_path):
    lines = "\n".join(f'"{theirs}" = "{ours}"' for theirs, ours in NAMES.items())
    (tmp_path / "names.toml").write_text(f"[names]\n{lines}\n")
    assert read_names(tmp_path / "names.toml") == NAMES
    assert checkpoints.read(file, names=tmp_path / "names.toml", **SETTINGS).model.config == CONFIG


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda names: names | {"nothing": "unembed.b_U"}, "names has 'nothing', and the file has no such"),
        (lambda names: {k: v for k, v in names.items() if k != "pos"}, "names leaves out pos"),
        (lambda names: names | {"pos": "pos_embed.W"}, "no pos_embed.W_pos"),
    ],
)
def test_names_that_do_not_fit_are_one_error(file, change, message):
    with pytest.raises(UserError, match=message):
        checkpoints.read(file, names=change(NAMES), **SETTINGS)


def test_queries_keys_and_values_side_by_side_are_three_and_what_is_no_weight_is_left_out(model, file):
    state = load_file(file)
    for layer in range(2):
        parts = [state.pop(f"layers.{layer}.{letter}.weight") for letter in "qkv"]
        state[f"layers.{layer}.qkv.weight"] = torch.cat(parts)
        state[f"layers.{layer}.qkv.bias"] = torch.zeros(18)
    save_file(state | {"mask": torch.ones(4, 4)}, file)
    names = {
        theirs: ours
        for theirs, ours in NAMES.items()
        if theirs[15:] not in ("q.weight", "k.weight", "v.weight")
    }
    joint = {
        "layers.{layer}.qkv.weight": "blocks.{layer}.attn.W_QKV.T",
        "layers.{layer}.qkv.bias": "blocks.{layer}.attn.b_QKV",
        "mask": "",
    }
    tokens = torch.tensor([[0, 1, 2, 3]])
    assert torch.equal(algoscope.load(file, names=names | joint, **SETTINGS)(tokens), model(tokens))


@pytest.mark.parametrize("text", ["names = 3", '"a" = 1', "= =", "\ud800"])
def test_a_file_without_names_is_one_error(tmp_path, text):
    (tmp_path / "names.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"names\.toml"):
        read_names(tmp_path / "names.toml")


def test_without_names_such_a_file_is_no_known_format(file):
    with pytest.raises(UserError, match=r"no known format: it holds head.weight, .* names="):
        checkpoints.read(file)
