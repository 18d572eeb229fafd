"""Is an answer right, and how far from it are the logits? For one class, and for a set of classes."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.errors import UserError

Labels = Int[Tensor, "row"] | Bool[Tensor, "row class"]


def check_labels(labels: Labels, classes: int) -> None:
    """Raises UserError for labels that name none of so many classes, or that are sets of another number."""
    if labels.dtype == torch.bool:
        if labels.shape[1:] != (classes,):
            raise UserError(
                f"labels are bool {list(labels.shape)}: give one yes or no for each of {classes} classes"
            )
        return
    low, high = (int(end) for end in labels.aminmax()) if labels.numel() else (0, 0)
    if low < 0 or high >= classes:
        raise UserError(f"labels reach from {low} to {high}: there are the classes 0 to {classes - 1}")


def right(logits: Float[Tensor, "*variant row class"], labels: Labels) -> Bool[Tensor, "*variant row"]:
    """Where the answer is the true one. Raises UserError for labels that are none of the logits' classes.

    The class of the highest logit; of a set, every class at once: a logit above 0 says that it belongs.

    >>> right(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([0, 0])).tolist()
    [True, False]
    >>> right(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([[True, True], [True, True]])).tolist()
    [True, False]
    """
    check_labels(labels, logits.shape[-1])
    if labels.dtype == torch.bool:
        return ((logits > 0) == labels).all(-1)
    return logits.argmax(-1) == labels


def surprise(logits: Float[Tensor, "*variant row class"], labels: Labels) -> Float[Tensor, "*variant row"]:
    """Cross-entropy with the truth, in nats: of one class, or the sum over the classes of a set."""
    if labels.dtype == torch.bool:
        target = labels.to(logits.dtype).expand_as(logits)
        return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
    log_probs = logits.log_softmax(-1)
    picked = log_probs.gather(-1, labels.expand(log_probs.shape[:-1]).unsqueeze(-1))
    return -picked.squeeze(-1)


def divergence(
    logits: Float[Tensor, "*variant row class"], reference: Float[Tensor, "row class"], sets: bool
) -> Float[Tensor, "*variant row"]:
    """KL(reference || logits) in nats: between distributions over classes, or summed over a set's classes."""
    if sets:
        yes = reference.sigmoid()
        terms = yes * (functional.logsigmoid(reference) - functional.logsigmoid(logits))
        terms = terms + (1 - yes) * (functional.logsigmoid(-reference) - functional.logsigmoid(-logits))
        return terms.sum(-1)
    sure = reference.log_softmax(-1)
    terms = functional.kl_div(
        logits.log_softmax(-1), sure.expand_as(logits), reduction="none", log_target=True
    )
    return terms.sum(-1)


def differing(labels: Labels, others: Labels, classes: int) -> Int[Tensor, "row class"]:
    """1 for a class that the one truth has and the other has not, -1 the other way round, else 0.

    >>> differing(torch.tensor([0, 1]), torch.tensor([2, 1]), 3).tolist()
    [[1, 0, -1], [0, 0, 0]]
    """
    if labels.dtype == torch.bool:
        return labels.long() - others.long()
    return functional.one_hot(labels, classes) - functional.one_hot(others, classes)


def margin(logits: Float[Tensor, "*variant row class"], labels: Labels) -> Float[Tensor, "*variant row"]:
    """How clearly the answer is right, in logits: negative where it is wrong, zero on the edge.

    The true class's logit less the best other's; of a set, the least clear of its classes.
    """
    if labels.dtype == torch.bool:
        return torch.where(labels, logits, -logits).amin(-1)
    index = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    best_other = logits.scatter(-1, index, -torch.inf).amax(-1)
    return logits.gather(-1, index).squeeze(-1) - best_other


def guessing(classes: int, sets: bool) -> float:
    """The cross-entropy of an even guess, in nats."""
    return classes * math.log(2) if sets else math.log(classes)
