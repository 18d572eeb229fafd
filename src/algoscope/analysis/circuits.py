"""What does a head compare, and what does it move: its circuits, read from the weights alone.

A circuit describes the head exactly only where the layer norm in front of it is folded into its weights:
give a model that went through `algoscope.model.processing.process`. What norm is left is one number, the
`scale` that the arguments ask for. Method: A Mathematical Framework for Transformer Circuits (Elhage et al.
2021), as in the ARENA course.
"""

from __future__ import annotations

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


def W_QK(model: Transformer, head: Head) -> Float[Tensor, "d_model d_model"]:
    """`x @ W_QK @ y` is the score with which x attends to y, times the root of d_head, without biases.

    Raises UserError for a head that does not exist.
    """
    attention = model.block(head.check(model.config).layer).attn
    return (attention.W_Q[head.index] @ attention.W_K[head.index].T).detach().cpu()


def W_OV(model: Transformer, head: Head) -> Float[Tensor, "d_model d_model"]:
    """`x @ W_OV` is what the head writes where it attends to x alone, without biases.

    Raises UserError for a head that does not exist.
    """
    attention = model.block(head.check(model.config).layer).attn
    return (attention.W_V[head.index] @ attention.W_O[head.index]).detach().cpu()


@torch.no_grad()
def mean_norm_scale(model: Transformer, tokens: Int[Tensor, "batch seq"], layer: int) -> float:
    """The mean, over inputs and positions, of what the norm before a layer's attention divides by.

    1 for a model without norms.
    """
    site = f"blocks.{layer}.ln1.hook_scale"
    if site not in model.sites:
        return 1.0
    _, cache = model.run_with_cache(tokens.to(model.W_E.device), [site])
    return cache[site].mean().item()


def qk_scores(
    model: Transformer,
    head: Head,
    queries: Float[Tensor, "query d_model"],
    keys: Float[Tensor, "key d_model"],
    scale: float,
) -> Float[Tensor, "query key"]:
    """Attention scores between vectors of the residual stream, each divided by `scale`; no biases, no mask.

    With `model.W_E` for both it is the token circuit, with `model.W_pos` the position circuit.
    """
    q, k = queries.detach().cpu() / scale, keys.detach().cpu() / scale
    scores = einsum(q, W_QK(model, head), k, "query d_in, d_in d_out, key d_out -> query key")
    return torch.div(scores, model.config.d_head**0.5)


def query_bias_scores(
    model: Transformer, head: Head, keys: Float[Tensor, "key d_model"], scale: float
) -> Float[Tensor, "key"]:
    """What the query's bias adds to the score of each key, whatever the query.

    The key's bias adds the same to every key, which a softmax does not see.
    """
    attention = model.block(head.check(model.config).layer).attn
    read = (attention.W_K[head.index] @ attention.b_Q[head.index]).detach().cpu()
    return torch.div(keys.detach().cpu() @ read, scale * model.config.d_head**0.5)


def ov_logits(
    model: Transformer, head: Head, sources: Float[Tensor, "source d_model"], scale: float
) -> Float[Tensor, "source class"]:
    """What attending to each source alone adds to the logits, by the direct path and without biases.

    `scale` is the product of what the norms divide by on the way: the head's own and the final one. With
    `model.W_E` as sources it is the full OV circuit.
    """
    written = sources.detach().cpu() / scale @ W_OV(model, head)
    return written @ model.W_U.detach().cpu()


def strongest(
    table: Float[Tensor, "row column"], most: int
) -> tuple[Int[Tensor, "kept_row"], Int[Tensor, "kept_column"]]:
    """Which rows and columns to show of a table: of each up to `most`, those of largest norm, in order.

    >>> [kept.tolist() for kept in strongest(torch.tensor([[0.0, 1.0], [0.0, 0.0], [5.0, 1.0]]), 2)]
    [[0, 2], [0, 1]]
    """
    rows = table.norm(dim=1).topk(min(most, table.shape[0])).indices.sort().values
    return rows, table.norm(dim=0).topk(min(most, table.shape[1])).indices.sort().values


def token_qk(model: Transformer, head: Head, scale: float) -> Float[Tensor, "query key"]:
    """The scores between every two tokens, from their embeddings alone."""
    return qk_scores(model, head, model.W_E, model.W_E, scale)


def position_qk(model: Transformer, head: Head, scale: float) -> Float[Tensor, "query key"]:
    """The scores between every two positions, from the position embeddings alone."""
    return qk_scores(model, head, model.W_pos, model.W_pos, scale)


def masked(scores: Float[Tensor, "query key"], attention_dir: str) -> Float[Tensor, "query key"]:
    """The scores with minus infinity where a model of this direction can't look."""
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -torch.inf) if attention_dir == "causal" else scores


def largest_on_diagonal(scores: Float[Tensor, "query key"], rows: Int[Tensor, "row"]) -> Bool[Tensor, "row"]:
    """For each of the rows, whether its largest entry is the one on the diagonal."""
    return scores[rows].argmax(1) == rows


@torch.no_grad()
def attention_from_embeddings(
    model: Transformer, head: Head, resid: Float[Tensor, "seq d_model"]
) -> Float[Tensor, "query key"]:
    """The attention of a head over these inputs of its norm, with the true norm and mask but no biases.

    With token embeddings as `resid` it is what the head would do without knowing positions.
    """
    normalized = model.block(head.check(model.config).layer).ln1.normalize(resid.to(model.W_E.device)).cpu()
    scores = qk_scores(model, head, normalized, normalized, 1.0)
    return masked(scores, model.config.attention_dir).softmax(-1)
