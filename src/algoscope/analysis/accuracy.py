"""How often is the model right, and on which kinds of input?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.batching import Batch, batches
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import Labels, right, surprise
from algoscope.tasks.task import Examples


@dataclass(frozen=True)
class Score:
    """How well some answers are given."""

    accuracy: float
    """Share of answers that are right; an input with several counts each."""
    loss: float
    """Mean cross-entropy of an answer, in nats."""
    right: int
    count: int


@torch.no_grad()
def answer_logits(model: Transformer, examples: Examples) -> Float[Tensor, "row class"]:
    """The logits at every answer, on the CPU. To rounding, `examples.at_answers(model(tokens))`."""
    logits = torch.zeros(len(examples.labels), model.config.d_vocab_out, dtype=model.W_E.dtype)
    for batch in batches(model, examples, examples.answered):
        logits[batch.rows] = _at(model, batch).cpu()
    return logits


def _at(model: Transformer, batch: Batch) -> Float[Tensor, "row class"]:
    """A forward pass whose last layer computes nothing but the marked positions."""
    untapped = Taps(model.sites)
    at = batch.at.any(0).nonzero()[:, 0]
    resid = model.embedded(batch.tokens, untapped, batch.position_ids)
    bias = model.attention_bias(batch.tokens)
    for layer in range(model.config.n_layers):
        last = layer == model.config.n_layers - 1
        resid = model.block(layer)(resid, bias, untapped, at if last else None)
    return model.read_out(resid, untapped)[batch.at[:, at]]


def score(logits: Float[Tensor, "row class"], labels: Labels) -> Score | None:
    """Accuracy and loss over these answers; None if there are none."""
    if not len(labels):
        return None
    labels = labels.cpu()
    correct = int(right(logits, labels).sum())
    loss = surprise(logits.double(), labels).mean().item()
    return Score(correct / len(labels), loss, correct, len(labels))


def score_by_group(
    logits: Float[Tensor, "row class"], examples: Examples, groups: Mapping[str, Bool[Tensor, "batch"]]
) -> dict[str, Score | None]:
    """The score on each group of examples, None for one that is empty."""
    rows = {name: mask[examples.row_example] for name, mask in groups.items()}
    return {name: score(logits[mask], examples.labels[mask]) for name, mask in rows.items()}


def score_by_number(logits: Float[Tensor, "row class"], examples: Examples) -> dict[int, Score]:
    """The score on each input's first answer (0), its second (1), and so on."""
    number = examples.row_number
    found = {
        each: score(logits[number == each], examples.labels[number == each])
        for each in number.unique().tolist()
    }
    return {each: scored for each, scored in found.items() if scored is not None}


def all_right(correct: Bool[Tensor, "row"], examples: Examples) -> Bool[Tensor, "batch"]:
    """Which inputs have every answer right."""
    wrong = torch.zeros(len(examples), dtype=torch.long)
    wrong.index_add_(0, examples.row_example.cpu(), (~correct).long())
    return wrong == 0
