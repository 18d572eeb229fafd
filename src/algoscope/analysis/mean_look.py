"""Where does a head look on average, and is that where its position circuit alone would have it look?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.analysis.attention import attention_from
from algoscope.analysis.batching import Mask
from algoscope.analysis.circuits import qk_scores, query_bias_scores
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@dataclass(frozen=True, eq=False)
class MeanLook:
    """A head's attention from each place, averaged over inputs, beside two that it may be compared with."""

    places: Int[Tensor, "place"]
    """The positions that are looked from."""
    true: Float[Tensor, "place key"]
    by_position: Float[Tensor, "place key"]
    """What the position circuit alone gives."""
    even: Float[Tensor, "place key"]
    """The same for every key that may be looked at."""

    @property
    def uneven(self) -> float:
        """The share of attention that would have to move to make it even, averaged over places."""
        return (self.true - self.even).abs().sum(1).mean().item() / 2

    @property
    def explained(self) -> float:
        """How much nearer to the truth the position circuit is than evenness: 1 - Σ(true - by_position)² /
        Σ(true - even)².

        1 if it says exactly where the head looks, 0 if no better than evenness, below 0 if worse.
        """
        missed, all_of_it = self.true - self.by_position, self.true - self.even
        return 1 - (missed.square().sum() / all_of_it.square().sum()).item()


@torch.no_grad()
def mean_look(model: Transformer, examples: Examples, head: Head, queries: Mask, scale: float) -> MeanLook:
    """The mean attention of a head from the marked places, and what its position circuit makes of them.

    The circuit sees position embeddings, divided by `scale`, with the average token's embedding and the
    query's bias, which are the same everywhere; masks and padding are those of each input. Give a processed
    model, and few examples: their whole patterns are held in memory.
    """
    from_places = queries.nonzero()[:, 1]
    places, index = from_places.unique(return_inverse=True)

    def mean(rows: Float[Tensor, "row key"]) -> Float[Tensor, "place key"]:
        total = torch.zeros(len(places), rows.shape[1], dtype=torch.double)
        return torch.div(total.index_add_(0, index, rows.double()), index.bincount()[:, None])

    scores = _position_scores(model, examples, head, scale)
    bias = model.attention_bias(examples.tokens.to(model.W_E.device))
    mask = torch.zeros_like(scores) if bias is None else bias[:, 0].cpu().expand_as(scores)
    return MeanLook(
        places,
        mean(attention_from(model, examples, head, queries)),
        mean((scores + mask).softmax(-1)[queries]),
        mean(mask.softmax(-1)[queries]),
    )


def _position_scores(
    model: Transformer, examples: Examples, head: Head, scale: float
) -> Float[Tensor, "batch query key"]:
    pad, seq = model.config.pad_token, examples.tokens.shape[1]
    tokens = examples.tokens if pad is None else examples.tokens[examples.tokens != pad]
    average = model.W_E.detach().cpu()[tokens.flatten()].mean(0)
    position = model.W_pos.detach().cpu()
    scores = qk_scores(model, head, position + average, position, scale)
    scores = scores + query_bias_scores(model, head, position, scale)
    ids = examples.position_ids
    if ids is None:
        ids = torch.arange(seq).expand(len(examples), seq)
    return scores[ids[:, :, None], ids[:, None, :]]
