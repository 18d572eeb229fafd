"""What a sweep measures of each variant's logits: a mean over its answers, or a number for each of them.

A row is one answer. A metric that ends in `_by_row` keeps rows apart, for intervals over examples and for
answers at different places; the one without is its mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.tasks.answers import Labels, divergence, right, surprise

Logits = Float[Tensor, "variant row class"]
Clean = Float[Tensor, "row class"]
Metric = Callable[[Logits, Clean, Labels], Float[Tensor, "variant *row"]]
"""Called as `metric(logits, clean_logits, labels)`; returns `[variant]`, or `[variant row]`."""


def loss(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant"]:
    """Mean cross-entropy with the truth, in nats; of a set, the sum over its classes."""
    return loss_by_row(logits, clean, labels).mean(1)


def loss_by_row(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant row"]:
    """Cross-entropy of each answer with the truth, in nats; of a set, the sum over its classes."""
    return surprise(logits, labels)


def accuracy(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant"]:
    """Share of answers that are right; a set is right if every class is."""
    return accuracy_by_row(logits, clean, labels).mean(1)


def accuracy_by_row(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant row"]:
    """1 for each answer that is right, 0 for each that is not."""
    return right(logits, labels).to(logits.dtype)


def kl_from_clean(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant"]:
    """Mean KL divergence of the variant's answer from the clean one, KL(clean || variant), in nats."""
    return kl_from_clean_by_row(logits, clean, labels).mean(1)


def kl_from_clean_by_row(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant row"]:
    """KL(clean || variant) of each answer, in nats; of a set, the sum over its classes."""
    return divergence(logits, clean, labels.dtype == torch.bool)


def logit_difference(towards: int) -> Metric:
    """Mean logit of the class `towards` minus the mean of the other classes' logits: positive favours it."""

    def difference(logits: Logits, clean: Clean, labels: Labels) -> Float[Tensor, "variant"]:
        others = [index for index in range(logits.shape[-1]) if index != towards]
        gap = logits[..., towards] - logits[..., torch.tensor(others, device=logits.device)].mean(-1)
        return gap.mean(1)

    difference.__name__ = f"logit_difference_towards_{towards}"
    return difference
