"""What the model's tests share: models of every kind, and a slow, obvious transformer to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from algoscope.model.config import ACTIVATIONS, Config
from algoscope.model.transformer import Transformer

Edits = Mapping[str, np.ndarray]
"""Noise to add, by site."""


def a_model(config: Config, seed: int = 0) -> Transformer:
    """In float64, with no parameter left at zero or one: every bias and every norm's weight counts."""
    model = Transformer(config, seed).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        value.add_(noise * (0.5 if value.ndim == 1 or ".b_" in name else 0.2))
    return model


def some_tokens(model: Transformer, batch: int = 3, seed: int = 0) -> Tensor:
    """As long as the model reads, padded on the right by a different amount in each row if it has padding."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(config.d_vocab, (batch, config.n_ctx), generator=generator)
    if config.pad_token is not None:
        tokens[tokens == config.pad_token] = (config.pad_token + 1) % config.d_vocab
        for row in range(batch):
            tokens[row, config.n_ctx - row % max(1, config.n_ctx - 1) :] = config.pad_token
    return tokens


CONFIGS = {
    "one layer, one head, attention-only, causal": Config(
        n_layers=1, d_model=6, n_heads=1, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=2, attention_dir="causal"
    ),
    "two layers with MLP, bidirectional, padded": Config(
        n_layers=2, d_model=8, n_heads=2, d_head=4, n_ctx=5, d_vocab=5, d_vocab_out=3, pad_token=1,
        attention_dir="bidirectional", d_mlp=7, act_fn="relu",
    ),
    "causal and padded, folded norms": Config(
        n_layers=2, d_model=8, n_heads=3, d_head=2, n_ctx=5, d_vocab=4, d_vocab_out=2, pad_token=0,
        attention_dir="causal", d_mlp=5, act_fn="gelu", normalization_type="LNPre",
    ),
    "no norms": Config(
        n_layers=2, d_model=5, n_heads=2, d_head=2, n_ctx=4, d_vocab=4, d_vocab_out=4,
        attention_dir="bidirectional", d_mlp=6, act_fn="silu", normalization_type="none",
    ),
}  # fmt: skip


@st.composite
def configs(draw: st.DrawFn, **fixed: object) -> Config:
    """Any config that fits in a small test."""
    size = st.integers(1, 4)
    d_mlp = draw(st.none() | st.integers(1, 6))
    d_vocab = draw(st.integers(2, 5))
    drawn = {
        "n_layers": draw(size),
        "n_heads": draw(size),
        "d_head": draw(size),
        "d_model": draw(st.integers(3, 8)),
        "n_ctx": draw(st.integers(1, 5)),
        "d_vocab": d_vocab,
        "d_vocab_out": draw(size),
        "attention_dir": draw(st.sampled_from(["causal", "bidirectional"])),
        "d_mlp": d_mlp,
        "act_fn": d_mlp and draw(st.sampled_from(sorted(ACTIVATIONS))),
        "normalization_type": draw(st.sampled_from(["LN", "LNPre", "none"])),
        "eps": draw(st.sampled_from([1e-5, 1e-2])),
        "pad_token": draw(st.none() | st.integers(0, d_vocab - 1)),
    }
    return Config.from_dict(drawn | fixed)


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, and far slower where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def draw_model() -> Callable[..., tuple[Transformer, Tensor]]:
    """`draw_model(data, **settings)`: a model and tokens for it, drawn by hypothesis."""

    def draw(data: st.DataObject, **fixed: object) -> tuple[Transformer, Tensor]:
        model = a_model(data.draw(configs(**fixed)), seed=data.draw(st.integers(0, 999)))
        return model, some_tokens(model, seed=data.draw(st.integers(0, 999)))

    return draw


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Transformer:
    return a_model(CONFIGS[request.param])


@pytest.fixture
def padded_model() -> Transformer:
    return a_model(CONFIGS["two layers with MLP, bidirectional, padded"])


@pytest.fixture
def normless_model() -> Transformer:
    return a_model(CONFIGS["no norms"])


@pytest.fixture
def tokens_for() -> Callable[..., Tensor]:
    return some_tokens


@pytest.fixture(scope="session")
def slow_run() -> Callable[[Transformer, Tensor, Edits], tuple[np.ndarray, dict[str, np.ndarray]]]:
    """`slow_run(model, tokens, edits)`: logits and the value of every site, in loops over single vectors."""

    def run(model: Transformer, tokens: Tensor, edits: Edits) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = [
            SlowRun(model, row, {k: v[b] for k, v in edits.items()}) for b, row in enumerate(tokens.numpy())
        ]
        logits = np.stack([row.logits() for row in rows])
        return logits, {name: np.stack([row.values[name] for row in rows]) for name in rows[0].values}

    return run


class SlowRun:
    """A transformer on one input, as the textbook writes it: one vector at a time, numpy, nothing fused."""

    def __init__(self, model: Transformer, tokens: np.ndarray, edits: Edits) -> None:
        self.config = model.config
        self.weights = {name: value.numpy() for name, value in model.state_dict().items()}
        self.tokens, self.edits, self.values = tokens, edits, {}

    def at(self, name: str, value: object) -> np.ndarray:
        self.values[name] = np.array(value) + self.edits.get(name, 0)
        return self.values[name]

    def logits(self) -> np.ndarray:
        w, positions = self.weights, range(len(self.tokens))
        token = self.at("hook_embed", [w["embed.W_E"][token] for token in self.tokens])
        place = self.at("hook_pos_embed", [w["pos_embed.W_pos"][position] for position in positions])
        resid = token + place
        for layer in range(self.config.n_layers):
            resid = self.block(f"blocks.{layer}", resid)
        final = self.norm("ln_final", resid)
        return np.stack([final[position] @ w["unembed.W_U"] + w["unembed.b_U"] for position in positions])

    def block(self, name: str, resid: np.ndarray) -> np.ndarray:
        resid = self.at(f"{name}.hook_resid_pre", resid)
        resid = resid + self.at(f"{name}.hook_attn_out", self.attention(name, resid))
        if self.config.d_mlp:
            resid = self.at(f"{name}.hook_resid_mid", resid)
            resid = resid + self.at(f"{name}.hook_mlp_out", self.mlp(name, self.norm(f"{name}.ln2", resid)))
        return self.at(f"{name}.hook_resid_post", resid)

    def normalized(self, name: str, vector: np.ndarray, scale: float) -> np.ndarray:
        if self.config.normalization_type == "none":
            return vector
        out = (vector - vector.mean()) / scale
        learnt = self.config.normalization_type == "LN"
        return out * self.weights[f"{name}.w"] + self.weights[f"{name}.b"] if learnt else out

    def scale(self, vector: np.ndarray) -> float:
        return math.sqrt(sum((x - vector.mean()) ** 2 for x in vector) / len(vector) + self.config.eps)

    def norm(self, name: str, resid: np.ndarray) -> np.ndarray:
        if self.config.normalization_type == "none":
            return resid
        scale = self.at(f"{name}.hook_scale", [[self.scale(vector)] for vector in resid])
        normalized = [self.normalized(name, vector, s) for vector, (s,) in zip(resid, scale, strict=True)]
        return self.at(f"{name}.hook_normalized", normalized)

    def attention(self, name: str, resid: np.ndarray) -> np.ndarray:
        w, heads, positions = self.weights, range(self.config.n_heads), range(len(resid))
        shared, made = self.norm(f"{name}.ln1", resid), {}
        for letter in "qkv":
            site = f"{name}.hook_{letter}_input"
            own = self.at(site, [[resid[position] for _ in heads] for position in positions])
            weight, bias = w[f"{name}.attn.W_{letter.upper()}"], w[f"{name}.attn.b_{letter.upper()}"]

            def seen(position, head, site=site, own=own):
                if site not in self.edits:
                    return shared[position]
                return self.normalized(f"{name}.ln1", own[position, head], self.scale(own[position, head]))

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
        return score - 1e5 if later or self.tokens[key] == self.config.pad_token else score

    def mlp(self, name: str, x: np.ndarray) -> np.ndarray:
        w = self.weights
        pre = self.at(f"{name}.mlp.hook_pre", [v @ w[f"{name}.mlp.W_in"] + w[f"{name}.mlp.b_in"] for v in x])
        active = [[activation(self.config.act_fn, value) for value in vector] for vector in pre]
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
