"""What does one head compare and what does it move, on inputs like these: all of its circuits as tables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.analysis.circuits import largest_on_diagonal, masked, ov_logits, qk_scores, query_bias_scores
from algoscope.analysis.mean_look import MeanLook, mean_look
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@dataclass(frozen=True, eq=False)
class HeadCircuits:
    """The circuits of a head, from embeddings alone, over the tokens and positions that inputs have.

    Scores are those before the softmax, query's bias included; each query's mean is zero, as a softmax sees
    differences alone. What is written is in logits; over sources, the mean of each class is zero.
    """

    head: Head
    tokens: Int[Tensor, "token"]
    """The ids that occur, padding left out."""
    positions: Int[Tensor, "position"]
    token_qk: Float[Tensor, "token token"]
    """How much each token, as a query at the average position, scores each token as a key."""
    position_qk: Float[Tensor, "position position"]
    """The same for positions, with the average token as the query; NaN where a key may not be looked at."""
    token_ov: Float[Tensor, "token class"]
    """What attending to each token alone adds to the logits, by the direct path."""
    position_ov: Float[Tensor, "position class"]
    look: MeanLook

    @property
    def token_spread(self) -> float:
        """How far a query's scores differ between tokens: their standard deviation, averaged over queries."""
        return _spread(self.token_qk)

    @property
    def position_spread(self) -> float:
        """How far they differ between positions."""
        return _spread(self.position_qk)

    @property
    def matches(self) -> float:
        """The share of tokens that score the same token highest."""
        return largest_on_diagonal(self.token_qk, torch.arange(len(self.tokens))).double().mean().item()

    def copies(self, class_of: dict[int, int]) -> float:
        """The share of these tokens that raise the logit of their own class most of all classes."""
        rows = [row for row, token in enumerate(self.tokens.tolist()) if token in class_of]
        own = [class_of[self.tokens[row].item()] for row in rows]
        return (self.token_ov[rows].argmax(1) == torch.tensor(own)).double().mean().item()


@torch.no_grad()
def head_circuits(
    model: Transformer, examples: Examples, head: Head, queries: Mask, final_scale: float
) -> HeadCircuits:
    """The circuits of a head of a processed model.

    Its norm's scale is the mean one over these inputs; `final_scale` is that of the final norm. `queries`
    marks the places whose looking counts.
    """
    pad = model.config.pad_token
    used = torch.ones_like(queries) if pad is None else examples.tokens != pad
    ids = examples.position_ids
    places = torch.arange(used.shape[1]).expand_as(used) if ids is None else ids
    tokens, positions = examples.tokens[used].unique(), places[used].unique()
    scale = _scale(model, examples, head, used)
    W_E, W_pos = model.W_E.detach().cpu(), model.W_pos.detach().cpu()
    token, position = W_E[tokens], W_pos[positions]
    mean_token, mean_position = W_E[examples.tokens[used]].mean(0), W_pos[places[used]].mean(0)

    def scores(queries: Tensor, keys: Tensor) -> Tensor:
        return qk_scores(model, head, queries, keys, scale) + query_bias_scores(model, head, keys, scale)

    def written(sources: Tensor) -> Tensor:
        found = ov_logits(model, head, sources, scale * final_scale)
        return torch.sub(found, found.mean(0))

    return HeadCircuits(
        head,
        tokens,
        positions,
        _centred(scores(token + mean_position, token)),
        _centred(_visible(scores(position + mean_token, position), model.config.attention_dir)),
        written(token),
        written(position),
        mean_look(model, examples, head, queries, scale),
    )


def _visible(scores: Float[Tensor, "query key"], attention_dir: str) -> Float[Tensor, "query key"]:
    return scores.where(masked(scores, attention_dir).isfinite(), torch.nan)


def _centred(scores: Float[Tensor, "query key"]) -> Float[Tensor, "query key"]:
    return scores - scores.nanmean(1, keepdim=True)


def _spread(centred: Float[Tensor, "query key"]) -> float:
    return centred.square().nanmean(1).sqrt().mean().item()


def _scale(model: Transformer, examples: Examples, head: Head, used: Mask) -> float:
    """What the norm before the head's layer divides by, on average; 1 without a norm."""
    site = f"blocks.{head.layer}.ln1.hook_scale"
    return values_at(model, examples, site, used).mean().item() if site in model.sites else 1.0
