"""How often is the model right, and on which kinds of input?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.batching import Batches
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


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
    """The logits where the answer is read, on the CPU. To rounding, those of `model(tokens)`."""
    batches = Batches(model, examples, examples.answer)
    parts = [_at(model, tokens, examples.answer).cpu() for tokens in batches]
    return batches.restored(parts) if parts else torch.zeros(0, model.config.d_vocab_out)


def _at(
    model: Transformer, tokens: Int[Tensor, "batch seq"], answer: int | slice
) -> Float[Tensor, "batch *answer class"]:
    """A forward pass whose last layer computes nothing but the answer's positions."""
    untapped = Taps(model.sites)
    at = torch.arange(tokens.shape[1], device=tokens.device)[answer].reshape(-1)
    resid, bias = model.embedded(tokens, untapped), model.attention_bias(tokens)
    for layer in range(model.config.n_layers):
        last = layer == model.config.n_layers - 1
        resid = model.block(layer)(resid, bias, untapped, at if last else None)
    logits = model.read_out(resid, untapped)
    return logits[:, 0] if isinstance(answer, int) else logits


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
