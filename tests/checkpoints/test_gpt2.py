"""GPT-2 files give the logits of the library that wrote them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from algoscope import checkpoints
from algoscope.checkpoints.to_gpt2 import to_gpt2
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

CONFIG = Config(
    n_layers=2, d_model=8, n_heads=2, d_head=4, n_ctx=6, d_vocab=5, d_vocab_out=5, d_mlp=12,
    act_fn="gelu_new", attention_dir="causal",
)  # fmt: skip
TOKENS = torch.tensor([[0, 1, 2, 3, 4, 1], [4, 4, 2, 0, 1, 3]])


@pytest.fixture
def model():
    model = Transformer(CONFIG, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
        model.b_U.zero_()
    return model.requires_grad_(False)


def folder(path, tensors, **config):
    path.mkdir()
    save_file({name: value.contiguous() for name, value in tensors.items()}, path / "model.safetensors")
    settings = {"model_type": "gpt2", "n_head": 2, "activation_function": "gelu_new"} | config
    (path / "config.json").write_text(json.dumps(settings))
    return path


def test_the_public_models_give_the_logits_of_transformers(reference):
    models = [path for path in sorted((reference / "public").iterdir()) if path.is_dir()]
    assert len(models) == 10
    for path in models:
        values = load_file(path / "values.safetensors")
        model, golden = checkpoints.read(path).model, values["logits_at_answers"]
        answered = values["answer_mask"].bool()
        logits = model(values["tokens"], position_ids=values["position_ids"])[answered]
        assert 0 < len(golden) <= len(logits)
        # tomita5's logits reach 38, and the golden ones themselves lie 2.5e-4 from those in float64.
        torch.testing.assert_close(logits[: len(golden)], golden, atol=1e-4, rtol=5e-6)


@pytest.mark.parametrize("prefix", ["", "transformer.", "_orig_mod.transformer.", "module.transformer."])
def test_a_prefix_changes_nothing_and_a_missing_read_out_is_the_embedding(model, tmp_path, prefix):
    tensors = to_gpt2(model).tensors
    del tensors["lm_head.weight"]
    renamed = {name.replace("transformer.", prefix): value for name, value in tensors.items()}
    found = checkpoints.read(folder(tmp_path / "out", renamed))
    assert torch.equal(found.model.W_U, model.W_E.T)
    assert {"unembed.W_U": "wte.weight", "format": "Hugging Face GPT-2"}.items() <= {
        each.setting: each.value for each in found.inferred
    }.items()


def test_scores_that_are_scaled_otherwise_are_folded_into_the_queries(model, tmp_path):
    tensors = to_gpt2(model).tensors
    unscaled = checkpoints.read(folder(tmp_path / "a", tensors, scale_attn_weights=False))
    torch.testing.assert_close(unscaled.model.W_Q, model.W_Q * 2)
    by_layer = checkpoints.read(folder(tmp_path / "b", tensors, scale_attn_by_inverse_layer_idx=True))
    torch.testing.assert_close(by_layer.model.W_Q, model.W_Q / torch.tensor([1.0, 2.0])[:, None, None, None])
    assert "scale_attn_by_inverse_layer_idx" in {each.setting for each in by_layer.inferred}


def test_without_a_config_the_number_of_heads_is_asked_for(model, tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file(to_gpt2(model).tensors, path)
    with pytest.raises(UserError, match="doesn't say n_heads: give n_heads="):
        checkpoints.read(path)
    found = checkpoints.read(path, n_heads=2)
    torch.testing.assert_close(found.model(TOKENS), model(TOKENS))
    absent = next(each for each in found.inferred if each.setting == "assumed absent")
    assert absent.assumed
    assert absent.value == "unscaled scores, scores scaled by inverse layer index"


def test_with_a_config_nothing_is_assumed_but_that_nothing_is_padded(model, tmp_path):
    found = checkpoints.read(folder(tmp_path / "out", to_gpt2(model).tensors))
    assert [each.setting for each in found.inferred if each.assumed] == ["pad_token"]


def test_a_tensor_that_gpt2_does_not_have_is_refused(model, tmp_path):
    tensors = to_gpt2(model).tensors | {"transformer.h.1.attn.q_norm.weight": torch.ones(4)}
    with pytest.raises(UserError, match=r"unexpected for this config: h\.1\.attn\.q_norm\.weight"):
        checkpoints.read(folder(tmp_path / "out", tensors))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"activation_function": "tanh"}, "activation_function is 'tanh'"),
        ({"n_head": 3}, "n_heads is 3, which does not divide d_model 8"),
        ({"n_head": "two"}, "doesn't say n_heads"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"model_type": "imagegpt"}, "model_type is 'imagegpt', under GPT-2's names"),
    ],
)
def test_what_a_config_says_and_we_can_not_do_is_refused(model, tmp_path, config, message):
    with pytest.raises(UserError, match=message):
        checkpoints.read(folder(tmp_path / "out", to_gpt2(model).tensors, **config))


class NanoBlock(nn.Module):
    """A block as in nanoGPT, with its names."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attn = nn.ModuleDict(
            {"c_attn": nn.Linear(d_model, 3 * d_model), "c_proj": nn.Linear(d_model, d_model)}
        )
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(d_model, 4 * d_model), "c_proj": nn.Linear(4 * d_model, d_model)}
        )

    def forward(self, x):
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.attn["c_attn"](self.ln_1(x)).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](mixed.transpose(1, 2).flatten(2))
        return x + self.mlp["c_proj"](functional.gelu(self.mlp["c_fc"](self.ln_2(x))))


def test_a_nanogpt_checkpoint_gives_its_own_logits(tmp_path):
    torch.manual_seed(0)
    parts = {
        "wte": nn.Embedding(5, 8), "wpe": nn.Embedding(6, 8),
        "h": nn.ModuleList([NanoBlock(8, 2), NanoBlock(8, 2)]), "ln_f": nn.LayerNorm(8),
    }  # fmt: skip
    nano = nn.ModuleDict({"transformer": nn.ModuleDict(parts), "lm_head": nn.Linear(8, 5, bias=False)})
    torch.save({"model": nano.state_dict(), "model_args": {"n_head": 2}, "iter_num": 3}, tmp_path / "ckpt.pt")
    x = parts["wte"](TOKENS) + parts["wpe"](torch.arange(6))
    for block in parts["h"]:
        x = block(x)
    found = checkpoints.read(tmp_path / "ckpt.pt")
    torch.testing.assert_close(found.model(TOKENS), nano["lm_head"](parts["ln_f"](x)), atol=1e-5, rtol=1e-5)
    assert {"format": "nanoGPT", "weights under the key": "model"}.items() <= {
        each.setting: each.value for each in found.inferred
    }.items()
