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
from algoscope.model.config import Config, Normalization
from algoscope.model.transformer import Transformer

Weights = dict[str, Tensor]
Step = Callable[[Weights, Config], Config]
"""Changes the weights' entries (never a tensor in place) and returns the config that goes with them."""


def fold_layer_norm(model: Transformer) -> Transformer:
    """The model with the scales and shifts of its norms put into the weights that read them.

    What is left is "LNPre", which only normalises. As that takes out the mean, readers don't see a part
    that is equal in all dimensions of the residual stream: it is removed from them. In a model that is
    "LNPre" already only this last part remains to be done. "RMS" becomes "RMSPre", and nothing is removed.
    A gate has no bias to put a shift into: layer norms before gated MLPs stay as they are, the others become
    ones and zeros, and the model stays "LN". Raises UserError for a model without norms.
    """
    return _changed(model, _fold_layer_norm)


def center_writing_weights(model: Transformer) -> Transformer:
    """The model with a mean of zero over d_model in all that is written to the residual stream.

    Nothing is lost, as every reader goes through a layer norm, which subtracts the mean. Raises UserError
    for a model with RMS norms or none, whose readers do see it.
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
    """The model after all four steps, less those that its norms don't allow."""
    steps: tuple[Step, ...] = (_center_unembed, _fold_value_biases)
    if model.config.normalization_type != "none":
        steps = (_center_unembed, _fold_layer_norm, _fold_value_biases)
    if model.config.centred:
        steps = (_center_writing_weights, *steps)
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
    if config.normalization_type == "none":
        raise UserError(
            "fold_layer_norm needs a model with layer norms: this one's normalization_type is 'none'"
        )
    keeps_shifts = config.normalization_type == "LN" and config.gated_mlp
    readers = [each for each in _readers(config) if not (keeps_shifts and each[0].endswith("ln2"))]
    for norm, weight, bias in readers:
        if f"{norm}.b" in weights:
            assert bias is not None, "a gate's layer norm is not folded"
            weights[bias] = weights[bias] + weights[f"{norm}.b"] @ weights[weight]
        if f"{norm}.w" in weights:
            weights[weight] = weights[weight] * weights[f"{norm}.w"].unsqueeze(-1)
        if config.centred:
            weights[weight] = weights[weight] - weights[weight].mean(-2, keepdim=True)
    for norm in {norm for norm, _, _ in readers}:
        scale, shift = weights.pop(f"{norm}.w", None), weights.pop(f"{norm}.b", None)
        if keeps_shifts and scale is not None and shift is not None:
            weights |= {f"{norm}.w": torch.ones_like(scale), f"{norm}.b": torch.zeros_like(shift)}
    folded: dict[Normalization, Normalization] = {"LN": "LN" if keeps_shifts else "LNPre", "RMS": "RMSPre"}
    return replace(
        config, normalization_type=folded.get(config.normalization_type, config.normalization_type)
    )


def _center_writing_weights(weights: Weights, config: Config) -> Config:
    if not config.centred:
        raise UserError(
            f"center_writing_weights needs a model with layer norms, which take the mean out: this one's "
            f"normalization_type is {config.normalization_type!r}"
        )
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


def _readers(config: Config) -> list[tuple[str, str, str | None]]:
    """(norm, weight that reads it, that weight's bias or None) throughout the model."""
    readers: list[tuple[str, str, str | None]] = [("ln_final", "unembed.W_U", "unembed.b_U")]
    for block in (f"blocks.{layer}" for layer in range(config.n_layers)):
        readers += [(f"{block}.ln1", f"{block}.attn.W_{part}", f"{block}.attn.b_{part}") for part in "QKV"]
        if config.gated_mlp:
            readers += [(f"{block}.ln2", f"{block}.mlp.W_{part}", None) for part in ("gate", "in")]
        elif config.d_mlp is not None:
            readers.append((f"{block}.ln2", f"{block}.mlp.W_in", f"{block}.mlp.b_in"))
    return readers
