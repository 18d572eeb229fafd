"""The weight-processing calls, which the old names make on state dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from algoscope.checkpoints.settings import CONSTANTS
from algoscope.errors import UserError
from algoscope.model import processing
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

State = dict[str, Tensor]


def without_constants(state: Mapping[str, Tensor]) -> State:
    """The tensors that are weights: attention masks and sentinels that were stored with them left out."""
    return {name: value for name, value in state.items() if not name.endswith(CONSTANTS)}


def on_state(
    step: Callable[[Transformer], Transformer], state: Mapping[str, Tensor], config: Config
) -> State:
    """The state dict after one step. Where norms were folded, their weights are 1 and 0 if `config` has any.

    With them, the result is right for a model of this config whatever its norms held before.
    """
    given = without_constants(state)
    learnt = not config.normalization_type.endswith("Pre") and config.normalization_type != "none"
    if learnt and "ln_final.w" not in given:
        model = Transformer(replace(config, normalization_type="LNPre" if config.centred else "RMSPre"))
    else:
        model = Transformer(config)
    absent = sorted(model.state_dict().keys() - given)
    unexpected = sorted(given.keys() - model.state_dict())
    if absent or unexpected:
        word, name = ("has no", absent[0]) if absent else ("holds", unexpected[0])
        raise UserError(f"this state dict {word} {name}: it belongs to a model of another config")
    model.to(next(iter(given.values()))).load_state_dict(given)
    after: State = step(model).state_dict()
    for norm in _norms(config) if learnt else ():
        after.setdefault(f"{norm}.w", torch.ones(config.d_model).to(after["unembed.W_U"]))
        if config.centred:
            after.setdefault(f"{norm}.b", torch.zeros(config.d_model).to(after["unembed.W_U"]))
    return after


def processed(
    model: Transformer,
    fold_ln: bool = True,
    center_writing_weights: bool = True,
    center_unembed: bool = True,
    fold_value_biases: bool = True,
    refactor_factored_attn_matrices: bool = False,
) -> Transformer:
    """The model after the steps that are wanted; those about norms only if its norms allow them."""
    if refactor_factored_attn_matrices:
        raise UserError(
            "refactor_factored_attn_matrices is not there: take the SVD of `model.OV` and `model.QK`"
        )
    norms = model.config.normalization_type != "none"
    steps = (
        (center_writing_weights and model.config.centred, processing.center_writing_weights),
        (center_unembed, processing.center_unembed),
        (fold_ln and norms, processing.fold_layer_norm),
        (fold_value_biases, processing.fold_value_biases),
    )
    for wanted, step in steps:
        model = step(model) if wanted else model
    return model


def _norms(config: Config) -> list[str]:
    kinds = ("ln1", "ln2") if config.d_mlp else ("ln1",)
    return [*(f"blocks.{layer}.{kind}" for layer in range(config.n_layers) for kind in kinds), "ln_final"]
