"""How often is the model right, and on which kinds of input?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.model.sites import Taps
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
    """The logits where the answer is read, on the CPU. To rounding, those of `model(tokens)`."""
    device = model.W_E.device
    order = _by_length(model, examples)
    parts = []
    for part in examples[order].batches(BATCH):
        tokens = _trimmed(model, part)
        parts.append(_at(model, tokens.to(device), part.answer).cpu())
    return torch.cat(parts)[order.argsort()] if parts else torch.zeros(0, model.config.d_vocab_out)


def _by_length(model: Transformer, examples: Examples) -> Int[Tensor, "batch"]:
    """An order in which inputs of one length stand together, so that batches hold little padding."""
    padding = (examples.tokens == _pad(model)).sum(1)
    return padding.argsort(stable=True)


def _trimmed(model: Transformer, part: Examples) -> Int[Tensor, "batch seq"]:
    """The tokens without the positions at the end that are padding in every input: nothing reads those."""
    seq = part.tokens.shape[1]
    if not isinstance(part.answer, int) or part.answer < 0:
        return part.tokens
    used = (part.tokens != _pad(model)).any(0).nonzero()
    return part.tokens[:, : max(part.answer, int(used.max()) if len(used) else seq - 1) + 1]


def _pad(model: Transformer) -> int:
    """The id of padding; one that no token has for a model that knows none."""
    return -1 if model.config.pad_token is None else model.config.pad_token


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
