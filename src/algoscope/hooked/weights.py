"""What can be read off a model's weights: stacks of them, circuits, biases, directions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.hooked.factored import FactoredMatrix
from algoscope.hooked.utils import composition_scores
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Task

WEIGHTS = (
    *("W_E", "W_pos", "W_U", "b_U", "W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O"),
    *("W_in", "b_in", "W_gate", "W_out", "b_out"),
)
"""Stacked over layers where each layer has its own."""


class Weights:
    """The part of a HookedTransformer that asks for no input."""

    transformer: Transformer
    task: Task | None

    @property
    def W_E_pos(self) -> Float[Tensor, "d_vocab+n_ctx d_model"]:
        """Embeddings of tokens, then of positions."""
        return torch.cat((self.transformer.W_E, self.transformer.W_pos))

    @property
    def OV(self) -> FactoredMatrix:
        """Of every head: `[layer head d_model d_model]`, from what is attended to, to what is written."""
        return FactoredMatrix(self.transformer.W_V, self.transformer.W_O)

    @property
    def QK(self) -> FactoredMatrix:
        """Of every head: `[layer head d_model d_model]`, from query to key, not divided by √d_head."""
        return FactoredMatrix(self.transformer.W_Q, self.transformer.W_K.mT)

    @property
    def W_OV(self) -> Float[Tensor, "layer head d_model d_model"]:
        return self.OV.AB

    @property
    def W_QK(self) -> Float[Tensor, "layer head d_model d_model"]:
        return self.QK.AB

    def all_head_labels(self) -> list[str]:
        """`L0H0`, `L0H1` ..., as `stack_head_results` labels them."""
        config = self.transformer.config
        return [f"L{layer}H{head}" for layer in range(config.n_layers) for head in range(config.n_heads)]

    def all_composition_scores(self, mode: str) -> Float[Tensor, "layer head layer head"]:
        """How much of what the first head writes the second reads as "Q", "K" or "V", 0 to 1.

        0 where the second is not of a later layer. Method: `algoscope.analysis.composition`, which adds
        what random matrices would give.
        """
        reads = {"Q": self.QK, "K": self.QK.T, "V": self.OV}
        if mode not in reads:
            raise UserError(f"mode is {mode!r}: choose from Q, K, V")
        scores = composition_scores(self.OV, reads[mode])
        layer = torch.arange(len(scores), device=scores.device)
        return scores * (layer[:, None, None, None] < layer[None, None, :, None])

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, "d_model"]:
        """The sum of the output biases of the layers below `layer`, and of its attention if `mlp_input`."""
        model, last = self.transformer, self.transformer.config.n_layers
        if not 0 <= layer + mlp_input <= last:
            raise UserError(f"layer {layer} does not exist: the model has layers 0-{last - 1}")
        total = model.b_O[: layer + mlp_input].sum(0)
        return total + model.b_out[:layer].sum(0) if include_mlp_biases and model.config.d_mlp else total

    def tokens_to_residual_directions(
        self, tokens: str | int | Int[Tensor, "*batch_and_seq"]
    ) -> Float[Tensor, "*batch_and_seq d_model"]:
        """The column of W_U that gives the logit of each; a string is the name of one of the task's classes.

        One token, as a tensor too, gives `[d_model]`.
        """
        if isinstance(tokens, str):
            tokens = self._class(tokens)
        W_U = self.transformer.W_U
        index = torch.as_tensor(tokens, device=W_U.device)
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < W_U.shape[1]:
            raise UserError(f"the model has logits 0 to {W_U.shape[1] - 1}, not {int(index.max())}")
        return W_U[:, int(index)] if index.numel() == 1 else W_U.T[index]

    def _class(self, name: str) -> int:
        if self.task is None or name not in self.task.classes:
            given = f"choose from {', '.join(self.task.classes)}" if self.task else "give its number"
            raise UserError(f"no logit is called {name!r}: {given}")
        return self.task.classes.index(name)
