"""How does a layer attend, with queries and keys of other inputs put in, and how evenly?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.analysis.batching import BATCH
from algoscope.analysis.reading import values_at
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.sources import FromRun, Value
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@torch.no_grad()
def queries_and_keys(
    model: Transformer, tokens: Int[Tensor, "seq"], layer: int
) -> tuple[Float[Tensor, "seq head d_head"], Float[Tensor, "seq head d_head"]]:
    """The queries and keys of a layer's heads on one input, biases included."""
    q, k = f"blocks.{layer}.attn.hook_q", f"blocks.{layer}.attn.hook_k"
    _, cache = model.run_with_cache(tokens[None].to(model.W_E.device), [q, k])
    return cache[q][0].cpu(), cache[k][0].cpu()


def pattern_with_mean_keys(
    model: Transformer, tokens: Int[Tensor, "seq"], other: Int[Tensor, "seq"], layer: int
) -> Float[Tensor, "head query key"]:
    """How the layer attends on `tokens` when each key is the mean of its own and the other input's.

    Such keys are those of neither input, so what is left is how the queries look at positions.
    """
    keys = torch.stack([queries_and_keys(model, each, layer)[1] for each in (tokens, other)]).mean(0)
    patch = Intervention(f"blocks.{layer}.attn.hook_k", Value(keys[None].to(model.W_E.device)))
    site = f"blocks.{layer}.attn.hook_pattern"
    found = run(model, tokens[None].to(model.W_E.device), patch, sites=[site])
    return found.cache[site][0].cpu()


def attention_with_queries_of(
    model: Transformer, examples: Examples, source: Int[Tensor, "seq"], layer: int, query: int
) -> Float[Tensor, "batch head key"]:
    """How a layer attends from one position when its queries are those of another input, `source`."""
    device, site = model.W_E.device, f"blocks.{layer}.attn.hook_pattern"
    patch = Intervention(f"blocks.{layer}.attn.hook_q", FromRun(source[None].to(device)))
    rows = [
        run(model, part.tokens.to(device), patch, sites=[site]).cache[site][:, :, query].clone().cpu()
        for part in examples.batches(BATCH)
    ]
    return torch.cat(rows)


def mean_patterns(model: Transformer, examples: Examples) -> Float[Tensor, "layer head query key"]:
    """The attention of every head, averaged over the examples."""
    return torch.stack([_mean_pattern(model, examples, layer) for layer in range(model.config.n_layers)])


def _mean_pattern(model: Transformer, examples: Examples, layer: int) -> Float[Tensor, "head query key"]:
    site = f"blocks.{layer}.attn.hook_pattern"
    total = torch.zeros(())
    for part in examples.batches(BATCH):
        total = total + reduce(values_at(model, part, site), "batch head query key -> head query key", "sum")
    return total / len(examples)


@dataclass(frozen=True)
class Evenness:
    """How evenly attention is spread over some keys; it is divided by its sum over them first."""

    entropy: float
    """As a share of the largest possible: 1 is exactly even."""
    max_over_min: float
    moved: float
    """The share of attention that would have to move to make it even (total variation distance)."""


def evenness(attention: Float[Tensor, "key"]) -> Evenness:
    """How even this attention is over the keys given: 1, 1 and 0 where it is the same for all."""
    share = attention.double() / attention.double().sum()
    if len(share) < 2:
        return Evenness(1.0, 1.0, 0.0)
    entropy = -torch.xlogy(share, share).sum() / torch.tensor(float(len(share))).log()
    moved = (share - 1 / len(share)).abs().sum() / 2
    return Evenness(entropy.item(), (share.max() / share.min()).item(), moved.item())


@dataclass(frozen=True)
class Split:
    """For each query: how much attention goes before it, to it, and after it, and how even the last is."""

    query: tuple[int, ...]
    before: Float[Tensor, "query"]
    itself: Float[Tensor, "query"]
    after: Float[Tensor, "query"]
    suffix: tuple[Evenness, ...]
    """Over the query's own position and those after it."""


def split_by_order(pattern: Float[Tensor, "query_seq key"], queries: range) -> Split:
    """A head's attention from each of the queries, split at the query's own position."""
    rows = [pattern[query] for query in queries]
    before = [row[:query].sum() for row, query in zip(rows, queries, strict=True)]
    itself = [row[query] for row, query in zip(rows, queries, strict=True)]
    after = [row[query + 1 :].sum() for row, query in zip(rows, queries, strict=True)]
    suffix = tuple(evenness(row[query:]) for row, query in zip(rows, queries, strict=True))
    return Split(tuple(queries), torch.stack(before), torch.stack(itself), torch.stack(after), suffix)
