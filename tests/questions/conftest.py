"""A model that decides by a head that was put there by hand, and one that was never trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry

HERE = Path(__file__).parent
MAJORITY = f"{HERE / 'majority.py'}:Majority"


@pytest.fixture
def majority():
    return registry.get(MAJORITY)


@pytest.fixture
def counting_model() -> Transformer:
    """Head 0.1 of two attends evenly and writes (ones minus zeros) times 2 towards "more ones"."""
    config = Config(
        n_layers=1,
        d_model=4,
        n_heads=2,
        d_head=2,
        n_ctx=6,
        d_vocab=3,
        d_vocab_out=2,
        attention_dir="causal",
        normalization_type="none",
    )
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.W_E[:, 0] = torch.tensor([-1.0, 1.0, 0.0])
        attention = model.blocks[0].attn
        attention.W_V[1, 0, 0] = 6.0
        attention.W_O[1, 0, 1] = 1.0
        model.W_U[1] = torch.tensor([1.0, -1.0])
    return model.requires_grad_(False)


@pytest.fixture
def untrained() -> Checkpoint:
    """A bracket model with the weights that it would start training with."""
    config = Config(
        n_layers=2,
        d_model=16,
        n_heads=2,
        d_head=8,
        n_ctx=42,
        d_vocab=5,
        d_vocab_out=2,
        d_mlp=16,
        act_fn="relu",
        attention_dir="bidirectional",
        pad_token=1,
    )
    model = Transformer(config, seed=5).requires_grad_(False)
    return Checkpoint(model, "brackets", {}, (), "untrained")
