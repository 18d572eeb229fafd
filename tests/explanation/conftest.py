"""Models whose algorithm is known, with a pool of their inputs."""

from __future__ import annotations

import pytest
import torch

from algoscope.compiled.compiler import Compiled, compile
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.explanation.pool import Pool, fill
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.registry import get


@pytest.fixture(scope="session")
def histogram() -> Compiled:
    return compile(PROGRAMS["histogram"])


@pytest.fixture(scope="session")
def histogram_pool(histogram: Compiled) -> Pool:
    with torch.no_grad():
        return fill(histogram.model, histogram.task, histogram.task.sample(300, seed=0))


@pytest.fixture(scope="session", params=["causal", "bidirectional"])
def untrained_pool(request: pytest.FixtureRequest) -> Pool:
    """Random weights, two layers of two heads, on bracket strings of several lengths."""
    task = get("brackets")
    config = Config(
        n_layers=2,
        n_heads=2,
        d_model=16,
        d_head=8,
        d_mlp=20,
        n_ctx=42,
        d_vocab=len(task.vocabulary),
        d_vocab_out=2,
        act_fn="relu",
        attention_dir=request.param,
        normalization_type="LN",
        pad_token=task.pad,
    )
    model = Transformer(config, seed=3).requires_grad_(False)
    with torch.no_grad():
        return fill(model, task, task.sample(60, seed=1))
