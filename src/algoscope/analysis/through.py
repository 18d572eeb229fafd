"""What does one head see of what an earlier head wrote: the two-head circuits, along one line of each.

K-composition asks how much attention a query gives to a position because of what the writer put there,
V-composition how far the writer's output, moved by the reader, points along a direction. Give a processed
model; the norm between the two heads is left out, so values compare with each other and are in no unit.
"""

from __future__ import annotations

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.circuits import W_OV
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def position_query(model: Transformer, reader: Head, position: int) -> Float[Tensor, "d_head"]:
    """The reader's query made of a position embedding alone, without bias."""
    return (model.W_pos[position] @ model.W_Q[reader.layer, reader.index]).detach().cpu()


def mean_query(
    model: Transformer, examples: Examples, reader: Head, position: int
) -> Float[Tensor, "d_head"]:
    """The reader's query at a position, bias included, on average over examples."""
    return queries(model, examples, reader, position).mean(0)


def queries(
    model: Transformer, examples: Examples, reader: Head, position: int
) -> Float[Tensor, "batch d_head"]:
    """The reader's query at a position for each example. On the CPU."""
    return values_at(model, examples, reader.site("hook_q"), position)[:, reader.index]


def k_circuit(
    model: Transformer, writer: Head, reader: Head, query: Float[Tensor, "d_head"]
) -> Float[Tensor, "position"]:
    """The score that a query of the reader gives to each position for what the writer moved out of it.

    Position embeddings pass through the writer's OV and the reader's keys; not divided by the root of
    d_head.
    """
    keys = model.W_pos.detach().cpu() @ W_OV(model, writer) @ model.W_K[reader.layer, reader.index].cpu()
    return (keys @ query).detach()


def v_circuit(
    model: Transformer, writer: Head, reader: Head, direction: Float[Tensor, "d_model"]
) -> Float[Tensor, "position"]:
    """How far each position embedding, moved by the writer and then the reader, points along a direction."""
    moved = model.W_pos.detach().cpu() @ W_OV(model, writer) @ W_OV(model, reader)
    return torch.mv(moved, direction)


@torch.no_grad()
def outputs_through(
    model: Transformer, examples: Examples, writer: Head, reader: Head, direction: Float[Tensor, "d_model"]
) -> Float[Tensor, "batch seq"]:
    """What the writer put at each position, moved by the reader's OV, along a direction."""
    return _through(model, examples, "hook_z", writer, reader, direction)


@torch.no_grad()
def values_through(
    model: Transformer, examples: Examples, writer: Head, reader: Head, direction: Float[Tensor, "d_model"]
) -> Float[Tensor, "batch seq"]:
    """The same for what the writer would put where it attended to this position alone."""
    return _through(model, examples, "hook_v", writer, reader, direction)


def _through(
    model: Transformer, examples: Examples, kind: str, writer: Head, reader: Head, direction: Tensor
) -> Float[Tensor, "batch seq"]:
    W_O = model.W_O[writer.layer, writer.index].cpu()
    line = W_O @ W_OV(model, reader) @ direction
    value = values_at(model, examples, writer.site(kind))[:, :, writer.index]
    return einsum(value, line, "batch seq d_head, d_head -> batch seq")
