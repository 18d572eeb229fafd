"""Models set by hand for the tasks of `lopsided.py` and `majority.py`: tokens zero, one, answer."""

from __future__ import annotations

import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

BIT, OUT = 0, 1
"""Coordinates of the stream: -1 for zero and 1 for one; and what the answer is read from."""


def blank(n_ctx: int, **settings: object) -> Transformer:
    """All zero, but that tokens stand in BIT, and that the answer is "more ones" as far as OUT is above 0."""
    usual = {"n_layers": 1, "d_model": 8, "n_heads": 1, "d_head": 1, "d_vocab": 3, "d_vocab_out": 2}
    fixed = {"n_ctx": n_ctx, "attention_dir": "causal", "normalization_type": "none"}
    model = Transformer(Config.from_dict(usual | fixed | settings)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.W_E[:, BIT] = torch.tensor([-1.0, 1.0, 0.0])
    model.W_U[OUT] = torch.tensor([1.0, -1.0])
    return model


def counts(model: Transformer, head: int, scale: float = 1.0, layer: int = 0, to: int = OUT) -> None:
    """This head attends evenly, and writes ones minus zeros at the last position."""
    attention = model.blocks[layer].attn
    attention.W_V[head, BIT, 0] = scale * model.config.n_ctx
    attention.W_O[head, 0, to] = 1.0


def looks_at(
    model: Transformer, head: int, position: int, scale: float = 1.0, layer: int = 0, to: int = OUT
) -> None:
    """This head attends to one position alone, and writes its bit."""
    mark = 4 + position
    attention = model.blocks[layer].attn
    model.W_pos[position, mark] = 1.0
    attention.b_Q[head, 0] = 1.0
    attention.W_K[head, mark, 0] = 50.0
    attention.W_V[head, BIT, 0] = scale
    attention.W_O[head, 0, to] = 1.0


def neuron(model: Transformer, index: int, reads: int, weight: float, writes: float, layer: int = 0) -> None:
    """This neuron is `weight` times a coordinate where that is above zero, and writes to OUT."""
    mlp = model.blocks[layer].mlp
    mlp.W_in[reads, index] = weight
    mlp.W_out[index, OUT] = writes
