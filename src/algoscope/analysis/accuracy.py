"""How often is the model right, and on which kinds of input?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

BATCH = 512
"""Inputs per forward pass: large enough for speed, small enough that attention stays in the CPU's cache."""


@dataclass(frozen=True)
class Score:
    """How well one kind of input is answered."""

    accuracy: float
    """Share of answers whose highest logit is the true class; an input with several answers counts each."""
    loss: float
    """Mean cross-entropy, in nats."""
    right: int
    count: int


@torch.no_grad()
def answer_logits(model: Transformer, examples: Examples) -> Float[Tensor, "batch *answer class"]:
    """The logits where the answer is read, on the CPU."""
    device = model.W_E.device
    parts = [model(part.tokens.to(device))[:, part.answer].cpu() for part in examples.batches(BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, model.config.d_vocab_out)


def score(logits: Float[Tensor, "batch *answer class"], examples: Examples) -> Score | None:
    """Accuracy and loss over the examples; None if there are none."""
    if not len(examples):
        return None
    labels = examples.labels.cpu().flatten()
    flat = logits.flatten(0, -2)
    right = int((flat.argmax(-1) == labels).sum())
    loss = functional.cross_entropy(flat.double(), labels).item()
    return Score(right / len(labels), loss, right, len(labels))


def score_by_group(
    logits: Float[Tensor, "batch *answer class"],
    examples: Examples,
    groups: Mapping[str, Bool[Tensor, "batch"]],
) -> dict[str, Score | None]:
    """The score on each group of examples, None for one that is empty."""
    return {name: score(logits[mask], examples[mask]) for name, mask in groups.items()}
