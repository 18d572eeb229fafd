"""A model that decides by a head that was put there by hand, and ways to ask it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.claim import Finding
from algoscope.questions.seen import Seen, see
from algoscope.questions.study import Section
from algoscope.tasks import registry

HERE = Path(__file__).parent
MAJORITY = f"{HERE / 'majority.py'}:Majority"
ECHO = f"{HERE / 'echo.py'}:Echo"


@pytest.fixture
def found() -> Callable[[Section], dict[str, Finding]]:
    """`found(section)`: its findings and checks by id."""
    return lambda section: {finding.id: finding for finding in (*section.findings, *section.checks)}


@pytest.fixture
def verdicts(found) -> Callable[[Section], dict[str, str]]:
    """`verdicts(section)`: holds, refuted or open, by id."""
    return lambda section: {name: finding.verdict for name, finding in found(section).items()}


@pytest.fixture
def majority():
    return registry.get(MAJORITY)


@pytest.fixture
def counting_model(counting) -> Transformer:
    """Head 0.1 decides; yours to change."""
    return copy.deepcopy(counting.model)


@pytest.fixture
def echo():
    return registry.get(ECHO)


@pytest.fixture
def echo_model() -> Transformer:
    """Head 0.0 looks at the same token and copies it, 8 logits high; head 0.1 looks back, for nothing.

    Dimensions 0-3 of the stream hold the token, 4-7 the position, 8-11 what is answered.
    """
    config = Config(
        n_layers=1,
        d_model=12,
        n_heads=2,
        d_head=4,
        n_ctx=4,
        d_vocab=4,
        d_vocab_out=4,
        attention_dir="causal",
        normalization_type="none",
    )
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.W_E[:, :4] = model.W_pos[:, 4:8] = model.W_U[8:] = torch.eye(4)
    attention = model.block(0).attn
    attention.W_Q[0, :4] = 60 * torch.eye(4)
    attention.W_K[0, :4] = attention.W_V[0, :4] = torch.eye(4)
    attention.W_O[0, :, 8:] = 8 * torch.eye(4)
    attention.W_Q[1, 5:8, :3] = 60 * torch.eye(3)
    attention.W_K[1, 4:8] = torch.eye(4)
    return model


@pytest.fixture
def seen_echo(echo, echo_model) -> Seen:
    """What the echoing model makes of 400 inputs; change the model's weights before you ask."""
    return see(echo_model, echo, echo.sample(400, seed=0))


@pytest.fixture
def seen_majority(majority, counting_model) -> Seen:
    return see(counting_model, majority, majority.sample(400, seed=0))
