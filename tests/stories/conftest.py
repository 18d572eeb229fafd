"""A model that was never trained, and one that decides by a head that was put there by hand."""

from __future__ import annotations

import pytest
import torch

from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer


@pytest.fixture(scope="session")
def untrained() -> Checkpoint:
    """A bracket model with the weights that it would start training with."""
    config = Config(
        n_layers=2, d_model=16, n_heads=2, d_head=8, n_ctx=42, d_vocab=5, d_vocab_out=2, d_mlp=16,
        act_fn="relu", attention_dir="bidirectional", pad_token=1,
    )  # fmt: skip
    model = Transformer(config, seed=5).requires_grad_(False)
    return Checkpoint(model, "brackets", {}, (), "untrained")


@pytest.fixture(scope="session")
def counting() -> Checkpoint:
    """Head 0.1 of two attends evenly and writes ones minus zeros, in favour of "more ones"."""
    config = Config(
        n_layers=1, d_model=4, n_heads=2, d_head=2, n_ctx=6, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.W_E[:, 0] = torch.tensor([-1.0, 1.0, 0.0])
        model.blocks[0].attn.W_V[1, 0, 0] = 6.0
        model.blocks[0].attn.W_O[1, 0, 1] = 1.0
        model.W_U[1] = torch.tensor([1.0, -1.0])
    return Checkpoint(model.requires_grad_(False), "majority", {}, (), "counting")
