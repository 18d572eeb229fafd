"""The same function in plainer weights: layer norms folded, needless means and biases taken out.

Each step leaves the log-probabilities unchanged, and the model that it is given untouched. The steps are
those of TransformerLens (`fold_ln`, `center_writing_weights`, `center_unembed`, `fold_value_biases`),
computed in float64. A new model has the old one's dtype and device, and its parameters are frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from einops import einsum
from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

Weights = dict[str, Tensor]
Step = Callable[[Weights, Config], Config]
"""Changes the weights' entries (never a tensor in place) and returns the config that goes with them."""


def fold_layer_norm(model: Transformer) -> Transformer:
    """The model with the scales and shifts of its layer norms put into the weights that read them.

    What is left is "LNPre", which only normalises. As that takes out the mean, readers don't see a part
    that is equal in all dimensions of the residual stream: it is removed from them. In a model that is
    "LNPre" already only this last part remains to be done. Raises UserError for a model without norms.
    """
    return _changed(model, _fold_layer_norm)


def center_writing_weights(model: Transformer) -> Transformer:
    """The model with a mean of zero over d_model in all that is written to the residual stream.

    Nothing is lost, as every reader goes through a layer norm, which subtracts the mean. Raises UserError
    for a model without norms, whose readers do see it.
    """
    return _changed(model, _center_writing_weights)


def center_unembed(model: Transformer) -> Transformer:
    """The model with a mean of zero over classes in `W_U` and `b_U`.

    Logits lose their mean over classes; log-probabilities don't depend on it.
    """
    return _changed(model, _center_unembed)


def fold_value_biases(model: Transformer) -> Transformer:
    """The model with `b_V` moved into `b_O`: attention sums to 1, so it is added whatever is attended to."""
    return _changed(model, _fold_value_biases)


def process(model: Transformer) -> Transformer:
    """The model after all four steps; after the two about norms only if it has norms."""
    steps: tuple[Step, ...] = (_center_unembed, _fold_value_biases)
    if model.config.normalization_type != "none":
        steps = (_center_writing_weights, _center_unembed, _fold_layer_norm, _fold_value_biases)
    return _changed(model, *steps)


def _changed(model: Transformer, *steps: Step) -> Transformer:
    weights = {name: value.detach().double() for name, value in model.state_dict().items()}
    config = model.config
    for step in steps:
        config = step(weights, config)
    new = Transformer(config).to(model.W_E)
    new.load_state_dict(weights)
    return new.train(model.training).requires_grad_(False)


def _fold_layer_norm(weights: Weights, config: Config) -> Config:
    _need_norms(config, "fold_layer_norm")
    for norm, weight, bias in _readers(config):
        if config.normalization_type == "LN":
            scale, shift = weights[f"{norm}.w"], weights[f"{norm}.b"]
            weights[bias] = weights[bias] + shift @ weights[weight]
            weights[weight] = weights[weight] * scale.unsqueeze(-1)
        weights[weight] = weights[weight] - weights[weight].mean(-2, keepdim=True)
    for norm in {norm for norm, _, _ in _readers(config)}:
        weights.pop(f"{norm}.w", None)
        weights.pop(f"{norm}.b", None)
    return replace(config, normalization_type="LNPre")


def _center_writing_weights(weights: Weights, config: Config) -> Config:
    _need_norms(config, "center_writing_weights")
    for name in weights:
        if name.endswith((".W_E", ".W_pos", ".W_O", ".b_O", ".W_out", ".b_out")):
            weights[name] = weights[name] - weights[name].mean(-1, keepdim=True)
    return config


def _center_unembed(weights: Weights, config: Config) -> Config:
    for name in ("unembed.W_U", "unembed.b_U"):
        weights[name] = weights[name] - weights[name].mean(-1, keepdim=True)
    return config


def _fold_value_biases(weights: Weights, config: Config) -> Config:
    for layer in range(config.n_layers):
        attn = f"blocks.{layer}.attn"
        value_bias = weights[f"{attn}.b_V"]
        written = einsum(value_bias, weights[f"{attn}.W_O"], "head d_head, head d_head d_model -> d_model")
        weights[f"{attn}.b_O"] = weights[f"{attn}.b_O"] + written
        weights[f"{attn}.b_V"] = torch.zeros_like(value_bias)
    return config


def _readers(config: Config) -> list[tuple[str, str, str]]:
    """(layer norm, weight that reads it, that weight's bias) throughout the model."""
    readers = [("ln_final", "unembed.W_U", "unembed.b_U")]
    for block in (f"blocks.{layer}" for layer in range(config.n_layers)):
        readers += [(f"{block}.ln1", f"{block}.attn.W_{part}", f"{block}.attn.b_{part}") for part in "QKV"]
        if config.d_mlp is not None:
            readers.append((f"{block}.ln2", f"{block}.mlp.W_in", f"{block}.mlp.b_in"))
    return readers


def _need_norms(config: Config, step: str) -> None:
    if config.normalization_type == "none":
        raise UserError(f"{step} needs a model with layer norms: this one's normalization_type is 'none'")
