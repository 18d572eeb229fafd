"""The model of benchmarks/cells.py written out plainly: what the cells are held against."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class ByHand:
    """Runs on a state dict. `run` gives logits and every value; `edits` replace values by name."""

    def __init__(self, state: dict[str, Tensor], layers: int = 2, heads: int = 4) -> None:
        self.w, self.layers, self.heads = state, layers, heads

    def norm(self, name: str, x: Tensor, note) -> Tensor:
        scale = note(f"{name}.hook_scale", (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt())
        normed = (x - x.mean(-1, keepdim=True)) / scale
        return note(f"{name}.hook_normalized", normed * self.w[f"{name}.w"] + self.w[f"{name}.b"])

    def attention(self, block: str, x: Tensor, edits, note) -> Tensor:
        w = self.w
        queries = [x] * self.heads
        for head, own in edits.get(f"{block}.hook_q_input", {}).items():
            queries[head] = self.norm(f"{block}.ln1", own, lambda name, value: value)
        letters = {}
        for letter in "QKV":
            read = queries if letter == "Q" else [x] * self.heads
            weight, shift = w[f"{block}.attn.W_{letter}"], w[f"{block}.attn.b_{letter}"]
            each = [read[head] @ weight[head] + shift[head] for head in range(self.heads)]
            letters[letter] = note(f"{block}.attn.hook_{letter.lower()}", torch.stack(each, 2))
        q, k, v = letters.values()
        scores = torch.stack([q[:, :, h] @ k[:, :, h].mT for h in range(self.heads)], 1) / q.shape[-1] ** 0.5
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = note(f"{block}.attn.hook_attn_scores", scores.masked_fill(later, -torch.inf))
        pattern = note(f"{block}.attn.hook_pattern", scores.softmax(-1))
        mixed = torch.stack([pattern[:, h] @ v[:, :, h] for h in range(self.heads)], 2)
        z = note(f"{block}.attn.hook_z", mixed)
        results = torch.stack([z[:, :, h] @ w[f"{block}.attn.W_O"][h] for h in range(self.heads)], 2)
        results = note(f"{block}.attn.hook_result", results)
        return note(f"{block}.hook_attn_out", results.sum(2) + w[f"{block}.attn.b_O"])

    def run(self, tokens: Tensor, edits=None) -> tuple[Tensor, dict[str, Tensor]]:
        w, values, edits = self.w, {}, edits or {}

        def note(name: str, value: Tensor) -> Tensor:
            if callable(edits.get(name)):
                value = edits[name](value.clone())
            values[name] = value
            return value

        position = w["pos_embed.W_pos"][: tokens.shape[1]].expand(len(tokens), -1, -1)
        x = note("hook_embed", w["embed.W_E"][tokens]) + note("hook_pos_embed", position)
        for layer in range(self.layers):
            block = f"blocks.{layer}"
            x = note(f"{block}.hook_resid_pre", x)
            x = x + self.attention(block, self.norm(f"{block}.ln1", x, note), edits, note)
            x = note(f"{block}.hook_resid_mid", x)
            read = self.norm(f"{block}.ln2", x, note)
            pre = note(f"{block}.mlp.hook_pre", read @ w[f"{block}.mlp.W_in"] + w[f"{block}.mlp.b_in"])
            post = note(f"{block}.mlp.hook_post", pre.clamp(min=0))
            x = x + note(f"{block}.hook_mlp_out", post @ w[f"{block}.mlp.W_out"] + w[f"{block}.mlp.b_out"])
            x = note(f"{block}.hook_resid_post", x)
        logits = self.norm("ln_final", x, note) @ w["unembed.W_U"] + w["unembed.b_U"]
        return logits, values

    def centred(self, part: Tensor, scale: Tensor) -> Tensor:
        """One part of the stream through a norm of this scale, without what the norm has learnt."""
        return (part - part.mean(-1, keepdim=True)) / scale


def loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """Mean surprise at the next token."""
    return functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
