"""A model as Hugging Face's GPT-2, where that can hold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from einops import rearrange
from torch import Tensor

from algoscope.checkpoints.export import Exported, masking
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

EXACT = 1e-6
"""How far the folded bias of the logits may be from what it was, as a share of it."""


def to_gpt2(model: Transformer) -> Exported:
    """The model as a GPT2LMHeadModel, whose logits are this model's.

    Raises UserError, by name, for what GPT-2 has no counterpart of.
    """
    config = model.config
    obstacles = list(_obstacles(config))
    if obstacles:
        raise UserError(f"GPT-2's format can't hold {'; '.join(obstacles)}")
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    notes = masking(config.pad_token)
    if config.normalization_type == "LNPre":
        state |= _unit_norms(config)
        notes += ("norms without weights are written with weights 1 and biases 0",)
    if state["unembed.b_U"].any():
        state["ln_final.b"] = state["ln_final.b"] + _folded(state["unembed.W_U"], state["unembed.b_U"])
        notes += ("the bias of the logits, which GPT-2 has not, is folded into ln_f.bias",)
    return Exported(_config(config), _renamed(state, config.n_layers), config.pad_token, notes)


def _obstacles(config: Config) -> Iterator[str]:
    if config.attention_dir != "causal":
        yield f"{config.attention_dir} attention: it is causal"
    if config.normalization_type not in ("LN", "LNPre"):
        yield f"normalization_type {config.normalization_type}: it has layer norms"
    if config.d_mlp is None:
        yield "attention-only layers: each has an MLP"
    if config.gated_mlp:
        yield "gated MLPs: its MLPs have no gate"
    if config.d_vocab != config.d_vocab_out:
        yield f"{config.d_vocab_out} classes for {config.d_vocab} tokens: its classes are its tokens"
    if config.n_heads * config.d_head != config.d_model:
        yield f"{config.n_heads} heads of width {config.d_head}: they share d_model {config.d_model} evenly"


def _config(config: Config) -> dict[str, object]:
    return {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": config.d_vocab,
        "n_positions": config.n_ctx, "n_embd": config.d_model, "n_layer": config.n_layers,
        "n_head": config.n_heads, "n_inner": config.d_mlp, "activation_function": config.act_fn,
        "layer_norm_epsilon": config.eps, "tie_word_embeddings": False, "attn_pdrop": 0.0, "embd_pdrop": 0.0,
        "resid_pdrop": 0.0, "bos_token_id": None, "eos_token_id": None, "pad_token_id": config.pad_token,
    }  # fmt: skip


def _unit_norms(config: Config) -> dict[str, Tensor]:
    norms = [f"blocks.{layer}.{name}" for layer in range(config.n_layers) for name in ("ln1", "ln2")]
    ones, zeros = torch.ones(config.d_model), torch.zeros(config.d_model)
    ends = (("w", ones), ("b", zeros))
    return {f"{norm}.{end}": value.clone() for norm in [*norms, "ln_final"] for end, value in ends}


def _folded(W_U: Tensor, b_U: Tensor) -> Tensor:
    """The shift of the stream that the read-out turns into b_U. Raises UserError if there is none."""
    shift: Tensor = torch.linalg.lstsq(W_U.T.double(), b_U.double()[:, None], driver="gelsd").solution[:, 0]
    error = (shift @ W_U.double() - b_U).abs().max()
    if error > EXACT * b_U.abs().max():
        raise UserError(
            "GPT-2's format can't hold this b_U: its logits have no bias, and no shift of the stream gives it"
        )
    return shift.to(b_U.dtype)


def _renamed(state: Mapping[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    out = {
        "transformer.wte.weight": state["embed.W_E"],
        "transformer.wpe.weight": state["pos_embed.W_pos"],
        "transformer.ln_f.weight": state["ln_final.w"],
        "transformer.ln_f.bias": state["ln_final.b"],
        "lm_head.weight": state["unembed.W_U"].T.contiguous(),
    }
    for layer in range(n_layers):
        out |= _block(state, f"blocks.{layer}", f"transformer.h.{layer}")
    return out


def _block(state: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    reads = [
        rearrange(state[f"{old}.attn.W_{x}"], "head d_model d_head -> d_model (head d_head)") for x in "QKV"
    ]
    return {
        f"{new}.attn.c_attn.weight": torch.cat(reads, 1),
        f"{new}.attn.c_attn.bias": torch.cat([state[f"{old}.attn.b_{x}"].flatten() for x in "QKV"]),
        f"{new}.attn.c_proj.weight": state[f"{old}.attn.W_O"].flatten(0, 1),
        f"{new}.attn.c_proj.bias": state[f"{old}.attn.b_O"],
        f"{new}.mlp.c_fc.weight": state[f"{old}.mlp.W_in"],
        f"{new}.mlp.c_fc.bias": state[f"{old}.mlp.b_in"],
        f"{new}.mlp.c_proj.weight": state[f"{old}.mlp.W_out"],
        f"{new}.mlp.c_proj.bias": state[f"{old}.mlp.b_out"],
        f"{new}.ln_1.weight": state[f"{old}.ln1.w"],
        f"{new}.ln_1.bias": state[f"{old}.ln1.b"],
        f"{new}.ln_2.weight": state[f"{old}.ln2.w"],
        f"{new}.ln_2.bias": state[f"{old}.ln2.b"],
    }
