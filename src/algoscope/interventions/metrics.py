"""What a sweep measures of each variant's logits: one number, a mean over the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

Logits = Float[Tensor, "variant batch *answer class"]
Metric = Callable[
    [Logits, Float[Tensor, "batch *answer class"], Int[Tensor, "batch *answer"]], Float[Tensor, "variant"]
]
"""Called as `metric(logits, clean_logits, labels)`; returns one number for each variant."""


def loss(logits: Logits, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant"]:
    """Mean cross-entropy with the true classes, in nats."""
    log_probs = logits.log_softmax(-1)
    picked = log_probs.gather(-1, labels.expand(log_probs.shape[:-1]).unsqueeze(-1))
    return -picked.flatten(1).mean(1)


def accuracy(logits: Logits, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant"]:
    """Share of answers that are right."""
    return (logits.argmax(-1) == labels).to(logits.dtype).flatten(1).mean(1)


def kl_from_clean(logits: Logits, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant"]:
    """Mean KL divergence of the variant's answer from the clean one, KL(clean || variant), in nats."""
    reference = clean.log_softmax(-1)
    terms = functional.kl_div(
        logits.log_softmax(-1), reference.expand_as(logits), reduction="none", log_target=True
    )
    return terms.sum(-1).flatten(1).mean(1)


def logit_difference(towards: int) -> Metric:
    """Mean logit of the class `towards` minus the mean of the other classes' logits: positive favours it."""

    def difference(logits: Logits, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant"]:
        others = [index for index in range(logits.shape[-1]) if index != towards]
        gap = logits[..., towards] - logits[..., torch.tensor(others, device=logits.device)].mean(-1)
        return gap.flatten(1).mean(1)

    difference.__name__ = f"logit_difference_towards_{towards}"
    return difference
