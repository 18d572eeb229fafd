"""Files in the style of the grokking papers: transposed, without biases, beside an optimizer."""

from __future__ import annotations

import pytest
import torch

from algoscope import checkpoints
from algoscope.errors import UserError

HEADS, D_HEAD, D_MODEL, D_MLP, VOCAB, CTX = 2, 3, 6, 5, 4, 3


def weights():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "embed.W_E": draw(D_MODEL, VOCAB), "pos_embed.W_pos": draw(CTX, D_MODEL),
        "blocks.0.attn.W_K": draw(HEADS, D_HEAD, D_MODEL), "blocks.0.attn.W_Q": draw(HEADS, D_HEAD, D_MODEL),
        "blocks.0.attn.W_V": draw(HEADS, D_HEAD, D_MODEL), "blocks.0.attn.W_O": draw(D_MODEL, D_HEAD * HEADS),
        "blocks.0.attn.mask": torch.ones(CTX, CTX).tril(),
        "blocks.0.mlp.W_in": draw(D_MLP, D_MODEL), "blocks.0.mlp.b_in": draw(D_MLP),
        "blocks.0.mlp.W_out": draw(D_MODEL, D_MLP), "blocks.0.mlp.b_out": draw(D_MODEL),
        "unembed.W_U": draw(D_MODEL, VOCAB),
    }  # fmt: skip


def by_hand(w, tokens):
    """The forward pass of that code, one input and one head at a time."""
    out = []
    for row in tokens.tolist():
        x = torch.stack([w["embed.W_E"][:, token] for token in row]) + w["pos_embed.W_pos"]
        z = []
        for head in range(HEADS):
            q, k, v = (x @ w[f"blocks.0.attn.W_{letter}"][head].T for letter in "QKV")
            scores = (q @ k.T / D_HEAD**0.5).masked_fill(torch.ones(CTX, CTX).triu(1).bool(), -torch.inf)
            z.append(scores.softmax(-1) @ v)
        x = x + torch.cat(z, 1) @ w["blocks.0.attn.W_O"].T
        hidden = torch.relu(x @ w["blocks.0.mlp.W_in"].T + w["blocks.0.mlp.b_in"])
        x = x + hidden @ w["blocks.0.mlp.W_out"].T + w["blocks.0.mlp.b_out"]
        out.append(x @ w["unembed.W_U"])
    return torch.stack(out)


@pytest.mark.parametrize("shape", [(), (0, 3, 6), (2, 3), (2, 3, 6, 1)])
def test_its_names_with_other_shapes_are_one_error(tmp_path, shape):
    torch.save(weights() | {"blocks.0.attn.W_Q": torch.zeros(shape)}, tmp_path / "model.pth")
    with pytest.raises(UserError, match=r"model\.pth: "):
        checkpoints.read(tmp_path / "model.pth", act_fn="relu")


def test_a_grokking_style_file_gives_its_own_logits(tmp_path):
    state, tokens = weights(), torch.tensor([[0, 1, 2], [3, 3, 0]])
    torch.save({"model": state, "optimizer": {"lr": 1e-3}, "epoch": 7}, tmp_path / "full_run_data.pth")
    found = checkpoints.read(tmp_path / "full_run_data.pth", act_fn="relu")
    torch.testing.assert_close(found.model(tokens), by_hand(state, tokens), atol=1e-5, rtol=1e-5)
    said = {each.setting: each.value for each in found.inferred}
    assert said["format"] == "grokking-style state dict"
    assert said["biases"] == "zero"
    assert said["normalization_type"] == "none"
