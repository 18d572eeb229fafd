"""A slow and obvious run of a model whose edges are cut, and small models to try it on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from algoscope.discovery.circuits.graph import Edge
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def slow_logits(
    model: Transformer,
    examples: Examples,
    instead: Mapping[Component, Tensor],
    kept: Mapping[Edge, Tensor],
    nudged: Mapping[tuple[Component, str], Tensor] = {},
) -> Tensor:
    """Logits `[row class]`: every receiver adds up what each sender gives it, one after the other.

    `kept` holds a share for each edge, a number or `[batch seq]`; `nudged` is added to what one reads.
    """
    wrote: dict[Component, Tensor] = {}
    bias = torch.zeros(model.config.d_model, dtype=model.W_E.dtype)
    none, mask = Taps(model.sites), model.attention_bias(examples.tokens)

    def read(receiver: Component, letter: str) -> Tensor:
        total = bias + nudged.get((receiver, letter), torch.zeros(*examples.tokens.shape, len(bias)))
        for sender, output in wrote.items():
            share = torch.as_tensor(kept[Edge(sender, receiver, letter)], dtype=output.dtype)
            share = share if share.ndim == 0 else share[..., None]
            total = total + instead[sender] + share * (output - instead[sender])
        return total

    ids = examples.position_ids
    places = torch.arange(examples.tokens.shape[1]).expand_as(examples.tokens) if ids is None else ids
    wrote[TOKEN], wrote[POSITION] = model.W_E[examples.tokens], model.W_pos[places]
    for layer in range(model.config.n_layers):
        block, found = model.block(layer), {}
        for index in range(model.config.n_heads):
            head = Component.of(Head(layer, index))
            q, k, v = (
                block.ln1(read(head, letter), none) @ getattr(block.attn, f"W_{letter.upper()}")[index]
                + getattr(block.attn, f"b_{letter.upper()}")[index]
                for letter in "qkv"
            )
            scores = q @ k.mT / model.config.d_head**0.5
            scores = scores if mask is None else scores + mask[:, 0]
            found[head] = scores.softmax(-1) @ v @ block.attn.W_O[index]
        wrote |= found
        bias = bias + block.attn.b_O
        if block.mlp is not None:
            wrote[Component.mlp(layer)] = block.mlp(block.ln2(read(Component.mlp(layer), "in"), none), none)
    logits = model.ln_final(read(ANSWER, "in"), none) @ model.W_U + model.b_U
    return logits[examples.answered]


def random_model(seed: int, **changes: object) -> Transformer:
    """A model of three layers in float64, with every bias drawn too."""
    sizes = {
        "n_layers": 2,
        "d_model": 8,
        "n_heads": 2,
        "d_head": 3,
        "n_ctx": 6,
        "d_vocab": 7,
        "d_vocab_out": 3,
    }
    usual = {"attention_dir": "bidirectional", "d_mlp": 5, "act_fn": "gelu", "pad_token": 6}
    model = Transformer(Config(**{**sizes, **usual, **changes}), seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".b" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.double))
    return model.requires_grad_(False)


def random_examples(seed: int, padded: bool = True, several: bool = False) -> Examples:
    """Five inputs of up to six tokens, answered at one place or at several."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 6, (5, 6), generator=generator)
    if padded:
        tokens[1, 4:] = 6
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, [1, 3] if several else [2]] = True
    labels = torch.randint(0, 3, (int(answered.sum()),), generator=generator)
    return Examples(tokens, labels, {}, answered)


@pytest.fixture(scope="session")
def model() -> Transformer:
    return random_model(0)
