"""Does a head count two kinds of token against each other?

A head that attends evenly writes the mean of what it has for each token. If what it writes for one token
points against what it writes for the other, the sum is a tally: how many more there are of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from algoscope.analysis.circuits import W_OV
from algoscope.analysis.linearised import LinearFit, fit_linear
from algoscope.errors import UserError
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


@dataclass(frozen=True)
class Tally:
    """The vectors that a head writes for two tokens, through its linearised norm."""

    head: Head
    one: Float[Tensor, "d_model"]
    other: Float[Tensor, "d_model"]
    r2: float
    """How well the norm before the head is linearised."""

    @property
    def cosine(self) -> float:
        """-1 where the two vectors cancel: then the head's output tells how many more there are of one."""
        return functional.cosine_similarity(self.one, self.other, dim=0).item()

    @property
    def axis(self) -> Float[Tensor, "d_model"]:
        """A unit vector from what is written for the other token towards what is written for the one."""
        return functional.normalize(self.one - self.other, dim=0)


def tally(model: Transformer, head: Head, fit: LinearFit, tokens: tuple[int, int]) -> Tally:
    """What the head writes for two tokens' embeddings, through the norm that `fit` stands for.

    Positions are left out: they add the same whichever token stands there. Method: ARENA 1.5.1, "the 0.0
    OV circuit".
    """
    embeddings = model.W_E[list(tokens)].detach().cpu().double()
    one, other = (embeddings @ fit.A.T @ W_OV(model, head).double()).float()
    return Tally(head, one, other, fit.r2)


def predicts(
    output: Float[Tensor, "row d_model"], axis: Float[Tensor, "d_model"], quantity: Float[Tensor, "row"]
) -> float:
    """How much of a quantity's variance the output's projection on the axis explains, linearly (r²)."""
    return fit_linear((output @ axis)[:, None], quantity[:, None].double()).r2


def input_cosines(
    model: Transformer, layer: int, vector: Float[Tensor, "d_model"]
) -> Float[Tensor, "neuron"]:
    """The cosine of a vector with each input direction of a layer's MLP (a column of W_in, or of W_gate).

    It is the direction that the activation function sees. For a random vector the expected square is exactly
    1 / d_model. Raises UserError for an attention-only model.
    """
    if not 0 <= layer < model.config.n_layers:
        raise UserError(f"layer {layer} does not exist: the model has layers 0-{model.config.n_layers - 1}")
    # In float64, and with hardly any floor: a neuron that weight decay took to 1e-17 has a direction still.
    W = (model.W_gate if model.config.gated_mlp else model.W_in)[layer].detach().cpu().double()
    W = functional.normalize(W, dim=0, eps=1e-150)
    return torch.mv(W.T, functional.normalize(vector.double(), dim=0)).float()
