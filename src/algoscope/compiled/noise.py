"""What hides a program in its weights without changing what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from algoscope.compiled.language import Expression
from algoscope.compiled.placed import Placed, Variable
from algoscope.compiled.weights import neurons_needed
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


@dataclass(frozen=True)
class Noise:
    """How much is hidden, and how. Every part can be turned off by itself."""

    seed: int = 0
    rotate: bool = True
    """The stream, and each head's space, in a random orthogonal basis; neurons in random order."""
    width: int = 8
    """Directions of the stream that embeddings, heads and neurons write to and that no needed part reads."""
    heads: int = 1
    """How many heads a layer has beyond what the fullest one needs. They look somewhere, and write there."""
    neurons: int = 8
    """How many neurons a layer has beyond what the fullest one needs."""
    weights: float = 1e-4
    """Standard deviation of what is added to every weight."""


def shuffled(placed: Placed, n_heads: int, noise: Noise) -> Placed:
    """The same with the heads of each layer at random indices."""
    generator = Generator().manual_seed(noise.seed)
    orders = [torch.randperm(n_heads, generator=generator).tolist() for _ in range(placed.n_layers)]
    variables: dict[Expression, Variable] = {}
    for expression, variable in placed.variables.items():
        head = variable.component.head
        if head is not None:
            moved = Component.of(Head(head.layer, orders[head.layer][head.index]))
            variable = replace(variable, component=moved)
        variables[expression] = variable
    return Placed(placed.lowered, variables)


@torch.no_grad()
def hide(model: Transformer, placed: Placed, noise: Noise) -> Float[Tensor, "direction d_model"]:
    """Adds the noise to a model that has room for it; returns the directions of the stream's variables."""
    generator = Generator().manual_seed(noise.seed + 1)

    def normal(*shape: int) -> Tensor:
        """Weights that neither blow up what they read nor let it vanish."""
        fan_in = shape[-2] if len(shape) > 1 else 1
        return torch.randn(shape, generator=generator) / math.sqrt(fan_in)

    used, d_model = placed.n_directions, model.config.d_model
    spare = slice(used, d_model)
    for written in (model.W_E, model.W_pos):
        written[:, spare] = torch.randn(len(written), d_model - used, generator=generator)
    heads = {each.component.head for each in placed.variables.values()}
    neurons = neurons_needed(placed)
    for layer in range(model.config.n_layers):
        block = model.block(layer)
        attention, mlp = block.attn, block.mlp
        attention.b_O[spare] = normal(d_model - used)
        for index in range(attention.n_heads):
            if Head(layer, index) in heads:
                continue
            for parameter in (attention.W_Q, attention.W_K, attention.W_V):
                parameter[index] = normal(d_model, attention.d_head)
            attention.W_O[index][:, spare] = normal(attention.d_head, d_model - used)
        if mlp is not None:
            first = neurons[layer]
            mlp.b_out[spare] = normal(d_model - used)
            mlp.W_in[:, first:] = normal(*mlp.W_in[:, first:].shape)
            mlp.W_out[first:, spare] = normal(len(mlp.W_out) - first, d_model - used)
    for parameter in model.parameters():
        parameter.add_(noise.weights * torch.randn(parameter.shape, generator=generator))
    return _rotated(model, generator)[:used] if noise.rotate else torch.eye(d_model)[:used]


def _rotated(model: Transformer, generator: Generator) -> Float[Tensor, "direction d_model"]:
    """Turns the stream and each head's space, and reorders neurons: the model computes what it did."""
    turn = _orthogonal(model.config.d_model, generator)
    for written in (model.W_E, model.W_pos):
        written.copy_(written @ turn)
    model.W_U.copy_(turn.T @ model.W_U)
    for layer in range(model.config.n_layers):
        block = model.block(layer)
        attention, mlp = block.attn, block.mlp
        for index in range(attention.n_heads):
            score, value = (_orthogonal(attention.d_head, generator) for _ in range(2))
            for parameter, bias, inner in (
                (attention.W_Q, attention.b_Q, score),
                (attention.W_K, attention.b_K, score),
                (attention.W_V, attention.b_V, value),
            ):
                parameter[index] = turn.T @ parameter[index] @ inner
                bias[index] = bias[index] @ inner
            attention.W_O[index] = value.T @ attention.W_O[index] @ turn
        attention.b_O.copy_(attention.b_O @ turn)
        if mlp is not None:
            order = torch.randperm(mlp.W_in.shape[1], generator=generator)
            mlp.W_in.copy_(turn.T @ mlp.W_in[:, order])
            mlp.b_in.copy_(mlp.b_in[order])
            mlp.W_out.copy_(mlp.W_out[order] @ turn)
            mlp.b_out.copy_(mlp.b_out @ turn)
    return turn


def _orthogonal(size: int, generator: Generator) -> Float[Tensor, "size size"]:
    result: Tensor = torch.linalg.qr(torch.randn(size, size, generator=generator)).Q
    return result
