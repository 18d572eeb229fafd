"""What answers inputs without any explanation: an explanation must do better to mean something."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.explanation.explanation import Survival
from algoscope.explanation.measured import survival
from algoscope.explanation.pool import Pool

SURE = 20.0
"""Logits that a baseline puts on what it answers: its KL says little, its answers count."""


def baselines(pool: Pool) -> dict[str, Survival]:
    """The true answers, and always the answer that the model gives most often."""
    labels = pool.examples.labels
    true = _logits(labels, pool.logits)
    given = pool.logits > 0 if pool.examples.sets else pool.logits.argmax(-1)
    values, counts = given.unique(dim=0, return_counts=True)
    most = values[counts.argmax()]
    usual = _logits(most.expand_as(given), pool.logits)
    return {
        "true label": survival(true, pool.logits, pool.examples),
        "most frequent": survival(usual, pool.logits, pool.examples),
    }


def _logits(answers: Tensor, like: Float[Tensor, "row class"]) -> Float[Tensor, "row class"]:
    if answers.dtype == torch.bool:
        return torch.where(answers, SURE, -SURE).to(like)
    return torch.zeros_like(like).scatter_(1, answers[:, None].long(), SURE)
