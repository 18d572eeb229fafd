"""A slow, obvious transformer to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pytest
from torch import Tensor

from algoscope.model.transformer import Transformer


class Change(NamedTuple):
    """What an edit makes of a site's value, or several in order: keep * value + shift."""

    keep: np.ndarray
    shift: np.ndarray

    def of(self, value: np.ndarray, *at: int) -> np.ndarray:
        """The new value; `at` these indices, if it is a part."""
        return self.keep[at] * value + self.shift[at]


Edits = Mapping[str, np.ndarray | Change]
"""What to do by site: noise to add, or a change."""


def change_of(edit: np.ndarray | Change, row: int) -> Change:
    """One input's part of an edit."""
    keep, shift = edit if isinstance(edit, Change) else (np.ones_like(edit), edit)
    return Change(keep[row], shift[row])


@pytest.fixture(scope="session")
def slow_run() -> Callable[[Transformer, Tensor, Edits], tuple[np.ndarray, dict[str, np.ndarray]]]:
    """`slow_run(model, tokens, edits)`: logits and the value of every site, in loops over single vectors."""

    def run(model: Transformer, tokens: Tensor, edits: Edits) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = [
            SlowRun(model, row, {name: change_of(edit, b) for name, edit in edits.items()})
            for b, row in enumerate(tokens.numpy())
        ]
        logits = np.stack([row.logits() for row in rows])
        return logits, {name: np.stack([row.values[name] for row in rows]) for name in rows[0].values}

    return run


class SlowRun:
    """A transformer on one input, as the textbook writes it: one vector at a time, numpy, nothing fused."""

    def __init__(self, model: Transformer, tokens: np.ndarray, edits: Mapping[str, Change]) -> None:
        self.config = model.config
        self.weights = {name: value.numpy() for name, value in model.state_dict().items()}
        self.tokens, self.edits, self.values = tokens, edits, {}

    def at(self, name: str, value: object) -> np.ndarray:
        value = np.array(value)
        self.values[name] = self.edits[name].of(value) if name in self.edits else value
        return self.values[name]

    def logits(self) -> np.ndarray:
        w, positions = self.weights, range(len(self.tokens))
        self.tokens = self.at("hook_tokens", self.tokens)
        token = self.at("hook_embed", [w["embed.W_E"][token] for token in self.tokens])
        place = self.at("hook_pos_embed", [w["pos_embed.W_pos"][position] for position in positions])
        resid = token + place
        for layer in range(self.config.n_layers):
            resid = self.block(f"blocks.{layer}", resid)
        final = self.at("unembed.hook_in", self.norm("ln_final", resid))
        logits = [final[position] @ w["unembed.W_U"] + w["unembed.b_U"] for position in positions]
        return self.at("unembed.hook_out", logits)

    def block(self, name: str, resid: np.ndarray) -> np.ndarray:
        resid = self.at(f"{name}.hook_resid_pre", resid)
        resid = resid + self.at(f"{name}.hook_attn_out", self.attention(name, resid))
        if self.config.d_mlp:
            resid = self.at(f"{name}.hook_resid_mid", resid)
            read = self.norm(f"{name}.ln2", self.at(f"{name}.hook_mlp_in", resid))
            resid = resid + self.at(f"{name}.hook_mlp_out", self.mlp(name, read))
        return self.at(f"{name}.hook_resid_post", resid)

    def normalized(self, name: str, vector: np.ndarray, scale: float) -> np.ndarray:
        if self.config.normalization_type == "none":
            return vector
        out = self.centred(vector) / scale
        learnt = self.config.normalization_type == "LN"
        return out * self.weights[f"{name}.w"] + self.weights[f"{name}.b"] if learnt else out

    def centred(self, vector: np.ndarray) -> np.ndarray:
        return vector - vector.mean() if self.config.normalization_type.startswith("LN") else vector

    def scale(self, vector: np.ndarray) -> float:
        return math.sqrt(sum(x**2 for x in self.centred(vector)) / len(vector) + self.config.eps)

    def after(self, name: str, vector: np.ndarray) -> np.ndarray:
        """What is left to do behind `hook_normalized`."""
        return vector * self.weights[f"{name}.w"] if self.config.normalization_type == "RMS" else vector

    def norm(self, name: str, resid: np.ndarray) -> np.ndarray:
        if self.config.normalization_type == "none":
            return resid
        scale = self.at(f"{name}.hook_scale", [[self.scale(vector)] for vector in resid])
        normalized = [self.normalized(name, vector, s) for vector, (s,) in zip(resid, scale, strict=True)]
        normalized = self.at(f"{name}.hook_normalized", normalized)
        return np.stack([self.after(name, vector) for vector in normalized])

    def through_ln1(self, name: str, vector: np.ndarray, position: int) -> np.ndarray:
        """One head's own input, with the edits of the norm's sites."""
        scale, name = self.scale(vector), f"{name}.ln1"
        if f"{name}.hook_scale" in self.edits:
            scale = self.edits[f"{name}.hook_scale"].of(scale, position, 0)
        normalized = self.normalized(name, vector, scale)
        edit = self.edits.get(f"{name}.hook_normalized")
        return self.after(name, normalized if edit is None else edit.of(normalized, position))

    def attention(self, name: str, resid: np.ndarray) -> np.ndarray:
        w, heads, positions = self.weights, range(self.config.n_heads), range(len(resid))
        shared, made = self.norm(f"{name}.ln1", resid), {}
        split = self.at(f"{name}.hook_attn_in", [[resid[position] for _ in heads] for position in positions])
        for letter in "qkv":
            site = f"{name}.hook_{letter}_input"
            own = self.at(site, split)
            weight, bias = w[f"{name}.attn.W_{letter.upper()}"], w[f"{name}.attn.b_{letter.upper()}"]

            def seen(position, head, site=site, own=own):
                if not {site, f"{name}.hook_attn_in"} & set(self.edits):
                    return shared[position]
                if self.config.normalization_type == "none":
                    return own[position, head]
                return self.through_ln1(name, own[position, head], position)

            vectors = [[seen(p, h) @ weight[h] + bias[h] for h in heads] for p in positions]
            made[letter] = self.at(f"{name}.attn.hook_{letter}", vectors)
        scores = [[[self.score(made, h, i, j) for j in positions] for i in positions] for h in heads]
        scores = self.at(f"{name}.attn.hook_attn_scores", scores)
        exps = [[[math.exp(score - max(row)) for score in row] for row in head] for head in scores]
        pattern = [[[e / sum(row) for e in row] for row in head] for head in exps]
        pattern = self.at(f"{name}.attn.hook_pattern", pattern)
        mixed = [
            [sum(pattern[h, i, j] * made["v"][j, h] for j in positions) for h in heads] for i in positions
        ]
        z = self.at(f"{name}.attn.hook_z", mixed)
        result = [[z[i, h] @ w[f"{name}.attn.W_O"][h] for h in heads] for i in positions]
        result = self.at(f"{name}.attn.hook_result", result)
        return np.stack([sum(result[i]) + w[f"{name}.attn.b_O"] for i in positions])

    def score(self, made: Mapping[str, np.ndarray], head: int, query: int, key: int) -> float:
        score = made["q"][query, head] @ made["k"][key, head] / math.sqrt(self.config.d_head)
        later = self.config.attention_dir == "causal" and key > query
        return (
            float(np.finfo(np.float32).min) if later or self.tokens[key] == self.config.pad_token else score
        )

    def mlp(self, name: str, x: np.ndarray) -> np.ndarray:
        w = self.weights
        if self.config.gated_mlp:
            pre = self.at(f"{name}.mlp.hook_pre", [v @ w[f"{name}.mlp.W_gate"] for v in x])
            linear = self.at(f"{name}.mlp.hook_pre_linear", [v @ w[f"{name}.mlp.W_in"] for v in x])
        else:
            pre = [v @ w[f"{name}.mlp.W_in"] + w[f"{name}.mlp.b_in"] for v in x]
            pre = self.at(f"{name}.mlp.hook_pre", pre)
        active = [[activation(self.config.act_fn, value) for value in vector] for vector in pre]
        if self.config.gated_mlp:
            active = [a * value + w[f"{name}.mlp.b_in"] for a, value in zip(active, linear, strict=True)]
        post = self.at(f"{name}.mlp.hook_post", active)
        return np.stack([vector @ w[f"{name}.mlp.W_out"] + w[f"{name}.mlp.b_out"] for vector in post])


def activation(name: str, x: float) -> float:
    if name == "relu":
        return max(x, 0.0)
    if name == "gelu":
        return x * (1 + math.erf(x / math.sqrt(2))) / 2
    if name == "gelu_new":
        return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    assert name == "silu"
    return x / (1 + math.exp(-x))
