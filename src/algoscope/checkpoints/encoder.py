"""PyTorch's own nn.TransformerEncoder, norm first, between an embedding and a linear read-out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor

from algoscope.checkpoints.content import Content
from algoscope.checkpoints.format import Converted, Format, take, whole_number
from algoscope.checkpoints.settings import Inference
from algoscope.errors import UserError

FIRST = re.compile(r"(.*?)layers\.0\.self_attn\.in_proj_weight")

KNOWN = re.compile(
    r"layers\.\d+\.(self_attn\.in_proj_(weight|bias)|"
    r"(self_attn\.out_proj|linear1|linear2|norm1|norm2)\.(weight|bias))"
)
"""All that a layer has."""
UNTOLD = ("scaled embeddings", "a cap on logits")
"""What may be done around an encoder, whose own code has no such settings."""


def _encoder(tensors: Mapping[str, Tensor]) -> str | None:
    """What stands before `layers.0` in the encoder's names; None if there is no encoder."""
    found = next((match for match in map(FIRST.fullmatch, tensors) if match), None)
    return None if found is None else found[1]


def _converted(content: Content, given: Mapping[str, object]) -> Converted:
    tensors, prefix = content.tensors, _encoder(content.tensors)
    assert prefix is not None, "only what was recognised is converted"
    heads = whole_number(
        "n_heads", given, content.config.get("n_heads"), "a state dict of nn.TransformerEncoder"
    )
    inside = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix + "layers.")
    }
    layers = len({name.split(".")[1] for name in inside})
    state: dict[str, Tensor] = {}
    for layer in range(layers):
        state |= _layer(inside, layer, heads)
    # Under their own names the others are refused as unexpected.
    state |= {name: value for name, value in inside.items() if not KNOWN.fullmatch(name)}
    outside = {name: value for name, value in tensors.items() if name.removeprefix(prefix) not in inside}
    state |= _around(outside, take(inside, "layers.0.norm1.weight").shape[0])
    stated = (
        Inference("normalization_type", "LN", "nn.TransformerEncoder has layer norms"),
        Inference(
            "norm_first",
            True,
            "assumed: a file doesn't say; with the default, norm last, results are wrong",
            assumed=True,
        ),
    )
    return Converted(state, stated, UNTOLD)


def _layer(inside: Mapping[str, Tensor], layer: int, heads: int) -> dict[str, Tensor]:
    old, new = f"layers.{layer}", f"blocks.{layer}"
    reads = take(inside, f"{old}.self_attn.in_proj_weight").chunk(3)
    state = {
        f"{new}.attn.W_{letter}": rearrange(part, "(head d_head) d_model -> head d_model d_head", head=heads)
        for letter, part in zip("QKV", reads, strict=True)
    }
    if f"{old}.self_attn.in_proj_bias" in inside:
        parts = inside[f"{old}.self_attn.in_proj_bias"].chunk(3)
        state |= {
            f"{new}.attn.b_{letter}": rearrange(part, "(head d_head) -> head d_head", head=heads)
            for letter, part in zip("QKV", parts, strict=True)
        }
    written = take(inside, f"{old}.self_attn.out_proj.weight")
    state[f"{new}.attn.W_O"] = rearrange(written, "d_model (head d_head) -> head d_head d_model", head=heads)
    state[f"{new}.mlp.W_in"] = take(inside, f"{old}.linear1.weight").T
    state[f"{new}.mlp.W_out"] = take(inside, f"{old}.linear2.weight").T
    plain = {
        "self_attn.out_proj.bias": "attn.b_O", "linear1.bias": "mlp.b_in", "linear2.bias": "mlp.b_out",
        "norm1.weight": "ln1.w", "norm1.bias": "ln1.b", "norm2.weight": "ln2.w", "norm2.bias": "ln2.b",
    }  # fmt: skip
    for theirs, ours in plain.items():
        if f"{old}.{theirs}" in inside:
            state[f"{new}.{ours}"] = inside[f"{old}.{theirs}"]
    return state


def _around(outside: Mapping[str, Tensor], d_model: int) -> dict[str, Tensor]:
    """Embeddings, final norm and read-out, by their shapes and the words in their names."""
    flat = {name: _matrix(value) for name, value in outside.items()}
    matrices = {name: value for name, value in flat.items() if value.ndim == 2 and d_model in value.shape}
    position = _the_one([name for name in matrices if "pos" in name.lower()], "position embedding", matrices)
    tables = [name for name in matrices if name != position]
    words = ("emb", "tok", "wte")
    token = _the_one([n for n in tables if any(w in n.lower() for w in words)], "token embedding", matrices)
    head = _the_one(
        [n for n in tables if n != token and matrices[n].shape[1] == d_model], "read-out", matrices
    )
    state = {
        "embed.W_E": matrices[token], "pos_embed.W_pos": matrices[position], "unembed.W_U": matrices[head].T,
    }  # fmt: skip
    used = {position, token, head}
    bias = head.removesuffix("weight") + "bias"
    if bias in outside:
        state["unembed.b_U"] = outside[bias]
        used.add(bias)
    norms = [
        n.removesuffix(".weight")
        for n, value in outside.items()
        if value.shape == (d_model,) and n.endswith(".weight")
    ]
    if len(norms) > 1:
        raise UserError(f"{', '.join(norms)} may each be the final norm: map them with names=")
    for norm in norms:
        for theirs, ours in (("weight", "w"), ("bias", "b")):
            if f"{norm}.{theirs}" in outside:
                state[f"ln_final.{ours}"] = outside[f"{norm}.{theirs}"]
                used.add(f"{norm}.{theirs}")
    return state | {name: value for name, value in outside.items() if name not in used}


def _matrix(value: Tensor) -> Tensor:
    """A position embedding is often stored with an axis for the batch."""
    if value.ndim != 3:
        return value
    return value.squeeze(0) if len(value) == 1 else value.squeeze(1)


def _the_one(found: list[str], what: str, matrices: Mapping[str, Tensor]) -> str:
    if len(found) == 1:
        return found[0]
    have = ", ".join(found or matrices)
    raise UserError(f"which is the {what}? It could be any of {have}: map it with names=")


ENCODER = Format("nn.TransformerEncoder", lambda tensors: _encoder(tensors) is not None, _converted)
