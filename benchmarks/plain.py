"""The bracket classifier written for speed in plain PyTorch: the yardstick of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from algoscope.model.config import Config


class Plain:
    """Fused projections, `scaled_dot_product_attention`, no hooks; weights laid out once, beforehand."""

    def __init__(self, config: Config, state: Mapping[str, Tensor]) -> None:
        self.config = config
        self.weights = dict(state)
        for layer in range(config.n_layers):
            name = f"blocks.{layer}.attn"
            reads = [state[f"{name}.W_{letter}"].permute(0, 2, 1).flatten(0, 1) for letter in "QKV"]
            self.weights[f"{name}.W"] = torch.cat(reads).contiguous()
            self.weights[f"{name}.b"] = torch.cat([state[f"{name}.b_{letter}"].flatten() for letter in "QKV"])
            self.weights[f"{name}.W_O"] = state[f"{name}.W_O"].flatten(0, 1).T.contiguous()
            for side in ("in", "out"):
                site = f"blocks.{layer}.mlp.W_{side}"
                self.weights[site] = state[site].T.contiguous()

    def __call__(self, tokens: Tensor, z: tuple[int, int, int, Tensor] | None = None) -> Tensor:
        """Logits at every position; `z` is (layer, head, position, new value) of one patch."""
        w, heads = self.weights, self.config.n_heads
        batch, seq = tokens.shape
        x = w["embed.W_E"][tokens] + w["pos_embed.W_pos"][:seq]
        for layer in range(self.config.n_layers):
            block = f"blocks.{layer}"
            qkv = functional.linear(self.norm(x, f"{block}.ln1"), w[f"{block}.attn.W"], w[f"{block}.attn.b"])
            q, k, v = qkv.view(batch, seq, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
            if z is not None and z[0] == layer:
                mixed = mixed.contiguous()
                mixed[:, z[2], z[1]] = z[3]
            x = x + functional.linear(
                mixed.reshape(batch, seq, -1), w[f"{block}.attn.W_O"], w[f"{block}.attn.b_O"]
            )
            hidden = functional.linear(
                self.norm(x, f"{block}.ln2"), w[f"{block}.mlp.W_in"], w[f"{block}.mlp.b_in"]
            )
            x = x + functional.linear(
                functional.relu(hidden), w[f"{block}.mlp.W_out"], w[f"{block}.mlp.b_out"]
            )
        return self.norm(x, "ln_final") @ w["unembed.W_U"] + w["unembed.b_U"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(
            x, x.shape[-1:], self.weights[f"{name}.w"], self.weights[f"{name}.b"], self.config.eps
        )
