"""A model written as Hugging Face's GPT-2 comes back; benchmarks/files_tl2.py asks transformers itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from algoscope import checkpoints
from algoscope.checkpoints.exports import export
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

CONFIG = Config(
    n_layers=2, d_model=8, n_heads=2, d_head=4, n_ctx=6, d_vocab=5, d_vocab_out=5, d_mlp=12,
    act_fn="gelu_new", attention_dir="causal",
)  # fmt: skip
TOKENS = torch.tensor([[0, 1, 2, 3, 4, 1], [4, 4, 2, 0, 1, 3]])


def made(config, bias=False):
    model = Transformer(config, seed=1).requires_grad_(False)
    generator = torch.Generator().manual_seed(2)
    for name, value in model.named_parameters():
        if bias or name != "unembed.b_U":
            value.add_(0.2 * torch.randn(value.shape, generator=generator))
    return model


@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new", "silu"])
def test_it_comes_back_exactly(tmp_path, act_fn):
    model = made(replace(CONFIG, act_fn=act_fn, eps=1e-4))
    assert export(model, "gpt2", tmp_path / "out") == ()
    back = checkpoints.read(tmp_path / "out")
    assert back.format == "Hugging Face GPT-2"
    assert back.model.config == model.config
    assert all(
        torch.equal(back.model.state_dict()[name], value) for name, value in model.state_dict().items()
    )


def test_padding_comes_back_and_is_left_to_the_caller_elsewhere(tmp_path):
    model = made(replace(CONFIG, pad_token=1))
    assert export(model, "gpt2", tmp_path) == (
        "keys at token 1 are masked here: mask them there too, where inputs are padded",
    )
    back = checkpoints.read(tmp_path).model
    assert back.config == model.config
    assert torch.equal(back(TOKENS), model(TOKENS))


@pytest.mark.parametrize("width", [8, 4])
def test_a_bias_of_the_logits_is_folded_where_the_stream_has_room_for_it(tmp_path, width):
    config = replace(CONFIG, d_model=width, d_head=width // 2)
    model = made(config, bias=True)
    if width < CONFIG.d_vocab:
        with pytest.raises(UserError, match="can't hold this b_U"):
            export(model, "gpt2", tmp_path)
        return
    assert export(model, "gpt2", tmp_path) == (
        "the bias of the logits, which GPT-2 has not, is folded into ln_f.bias",
    )
    back = checkpoints.read(tmp_path).model
    assert not back.b_U.any()
    torch.testing.assert_close(back(TOKENS), model(TOKENS), atol=1e-5, rtol=1e-5)


def test_norms_without_weights_get_weights_that_do_nothing(tmp_path):
    model = made(replace(CONFIG, normalization_type="LNPre"))
    assert "weights 1 and biases 0" in export(model, "gpt2", tmp_path)[0]
    torch.testing.assert_close(checkpoints.read(tmp_path).model(TOKENS), model(TOKENS))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attention_dir": "bidirectional"}, "bidirectional attention"),
        ({"normalization_type": "none"}, "normalization_type none"),
        ({"d_mlp": None, "act_fn": None}, "attention-only layers"),
        ({"gated_mlp": True}, "gated MLPs"),
        ({"normalization_type": "RMS"}, "normalization_type RMS"),
        ({"d_vocab_out": 2}, "2 classes for 5 tokens"),
        ({"d_head": 3}, "2 heads of width 3"),
    ],
)
def test_what_it_can_not_hold_is_named_and_nothing_written(tmp_path, change, says):
    with pytest.raises(UserError, match=f"GPT-2's format can't hold {says}"):
        export(made(replace(CONFIG, **change)), "gpt2", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_config_is_transformers(tmp_path):
    export(made(CONFIG), "gpt2", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    shown = {"vocab_size": 5, "n_positions": 6, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": 12}
    assert shown.items() <= config.items()
    assert config["tie_word_embeddings"] is False
