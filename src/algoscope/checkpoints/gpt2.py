"""GPT-2 as Hugging Face and nanoGPT write it: queries, keys and values side by side in one matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor

from algoscope.checkpoints.content import Content
from algoscope.checkpoints.export import padding
from algoscope.checkpoints.format import Converted, Format, take, whole_number
from algoscope.checkpoints.settings import Inference
from algoscope.errors import UserError

ACTIVATIONS = {
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
}
"""Hugging Face's names for those that we have."""
UNTOLD = ("unscaled scores", "scores scaled by inverse layer index")
"""What only a config.json says."""
KNOWN = re.compile(
    r"(wte|wpe|lm_head)\.weight|lm_head\.bias|h\.\d+\.attn\.(bias|masked_bias)|"
    r"(ln_f|h\.\d+\.(ln_1|ln_2|attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj))\.(weight|bias)"
)
"""Everything there is in such a file; `attn.bias` is the causal mask."""
LAYER = "h.0.attn.c_attn.weight"


def _stripped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("transformer."): value for name, value in tensors.items()}


def _linear(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights are stored `[out, in]`, as nn.Linear does (nanoGPT), not `[in, out]` (Conv1D)."""
    weight = take(_stripped(tensors), LAYER)
    return weight.ndim == 2 and weight.shape[0] == 3 * weight.shape[1]


def _has_gpt2_names(tensors: Mapping[str, Tensor]) -> bool:
    names = _stripped(tensors)
    return "wte.weight" in names and LAYER in names


def _converted(content: Content, given: Mapping[str, object], transposed: bool) -> Converted:
    tensors = _stripped(content.tensors)
    embed = take(tensors, "wte.weight")
    heads = whole_number("n_heads", given, content.config.get("n_head"), "no config.json: the file")
    d_model = embed.shape[1]
    if d_model % heads:
        raise UserError(f"n_heads is {heads}, which does not divide d_model {d_model}")
    state = {"embed.W_E": embed, "pos_embed.W_pos": take(tensors, "wpe.weight")}
    layers = {name.split(".")[1] for name in tensors if name.startswith("h.")}
    for layer in range(len(layers)):
        state |= _block(tensors, layer, heads, transposed, content.config)
    state |= {"ln_final.w": take(tensors, "ln_f.weight")}
    state |= {"ln_final.b": tensors["ln_f.bias"]} if "ln_f.bias" in tensors else {}
    state |= {"unembed.b_U": tensors["lm_head.bias"]} if "lm_head.bias" in tensors else {}
    # Under their own names the others are refused as unexpected.
    state |= {name: value for name, value in tensors.items() if not KNOWN.fullmatch(name)}
    head = tensors.get("lm_head.weight")
    state["unembed.W_U"] = (embed if head is None else head).T
    tied = () if head is not None else (Inference("unembed.W_U", "wte.weight", "no lm_head.weight: tied"),)
    untold = () if content.config or transposed else UNTOLD
    stated = (*_stated(content.config, transposed), *padding(content), *tied)
    return Converted(state, stated, untold)


def _block(
    tensors: Mapping[str, Tensor], layer: int, heads: int, transposed: bool, config: Mapping[str, object]
) -> dict[str, Tensor]:
    old, new = f"h.{layer}", f"blocks.{layer}"

    def weight(name: str) -> Tensor:
        value = take(tensors, f"{old}.{name}.weight")
        return value.T if transposed else value

    q, k, v = (
        rearrange(part, "d_model (head d_head) -> head d_model d_head", head=heads)
        for part in weight("attn.c_attn").chunk(3, 1)
    )
    state = {
        f"{new}.attn.W_Q": q * _score_scale(config, layer, q.shape[-1]),
        f"{new}.attn.W_K": k,
        f"{new}.attn.W_V": v,
        f"{new}.attn.W_O": rearrange(
            weight("attn.c_proj"), "(head d_head) d_model -> head d_head d_model", head=heads
        ),
        f"{new}.mlp.W_in": weight("mlp.c_fc"),
        f"{new}.mlp.W_out": weight("mlp.c_proj"),
        f"{new}.ln1.w": take(tensors, f"{old}.ln_1.weight"),
        f"{new}.ln2.w": take(tensors, f"{old}.ln_2.weight"),
    }
    if f"{old}.attn.c_attn.bias" in tensors:
        parts = tensors[f"{old}.attn.c_attn.bias"].chunk(3)
        b_q, b_k, b_v = (rearrange(part, "(head d_head) -> head d_head", head=heads) for part in parts)
        state |= {
            f"{new}.attn.b_Q": b_q * _score_scale(config, layer, q.shape[-1]),
            f"{new}.attn.b_K": b_k,
            f"{new}.attn.b_V": b_v,
        }
    plain = {
        "attn.c_proj.bias": "attn.b_O", "mlp.c_fc.bias": "mlp.b_in", "mlp.c_proj.bias": "mlp.b_out",
        "ln_1.bias": "ln1.b", "ln_2.bias": "ln2.b",
    }  # fmt: skip
    for theirs, ours in plain.items():
        if f"{old}.{theirs}" in tensors:
            state[f"{new}.{ours}"] = tensors[f"{old}.{theirs}"]
    return state


def _score_scale(config: Mapping[str, object], layer: int, d_head: int) -> float:
    """What queries are multiplied by, so that our scores (divided by √d_head) are those of the config."""
    scale = 1.0 if config.get("scale_attn_weights", True) else d_head**0.5
    return scale / (layer + 1) if config.get("scale_attn_by_inverse_layer_idx") else scale


def _stated(config: Mapping[str, object], nano: bool) -> tuple[Inference, ...]:
    named = str(config.get("activation_function", "gelu" if nano else "gelu_new"))
    if named not in ACTIVATIONS:
        raise UserError(f"activation_function is {named!r}: {', '.join(ACTIVATIONS)} are read")
    eps = config.get("layer_norm_epsilon", 1e-5)
    read = {"act_fn": (ACTIVATIONS[named], "activation_function"), "eps": (eps, "layer_norm_epsilon")}
    found = [
        Inference(
            setting, value, "the config" if name in config else "usual for this format", assumed=not config
        )
        for setting, (value, name) in read.items()
    ]
    found += [
        Inference("attention_dir", "causal", "GPT-2 is"),
        Inference("normalization_type", "LN", "GPT-2 has layer norms"),
    ]
    folded = [name for name in ("scale_attn_by_inverse_layer_idx",) if config.get(name)]
    folded += ["scale_attn_weights=false"] if config.get("scale_attn_weights") is False else []
    found += [Inference(name, "folded into W_Q and b_Q", "the config") for name in folded]
    if not nano and config.get("model_type", "gpt2") != "gpt2":
        raise UserError(f"model_type is {config['model_type']!r}, under GPT-2's names: only gpt2 is read")
    if config.get("add_cross_attention"):
        raise UserError("config.json has add_cross_attention: such attention is not read")
    return tuple(found)


HUGGING_FACE = Format(
    "Hugging Face GPT-2",
    lambda tensors: _has_gpt2_names(tensors) and not _linear(tensors),
    lambda content, given: _converted(content, given, transposed=False),
)
NANOGPT = Format(
    "nanoGPT",
    lambda tensors: _has_gpt2_names(tensors) and _linear(tensors),
    lambda content, given: _converted(content, given, transposed=True),
)
