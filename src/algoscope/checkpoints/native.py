"""TransformerLens 4's own small models, as their bridge names the weights, or as they are inside."""

from __future__ import annotations

import re
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor

from algoscope.checkpoints import lens
from algoscope.checkpoints.content import Content
from algoscope.checkpoints.format import Converted, Format, take, whole_number
from algoscope.errors import UserError

WRAPPED = "_original_component."
"""What a bridge puts into the names of the model inside it, which then holds each tensor several times."""
INSIDE = {
    "tok_embed": "embed",
    "pos": "pos_embed",
    "layers": "blocks",
    "ln_out": "ln_final",
    "head": "unembed",
}
"""First words of the names inside, and of the bridge's."""
PLAIN = {
    "embed.weight": "embed.W_E",
    "pos_embed.weight": "pos_embed.W_pos",
    "unembed.bias": "unembed.b_U",
    "attn.o.bias": "attn.b_O",
    "mlp.in.bias": "mlp.b_in",
    "mlp.out.bias": "mlp.b_out",
}
TURNED = {
    "unembed.weight": "unembed.W_U",
    "mlp.in.weight": "mlp.W_in",
    "mlp.gate.weight": "mlp.W_gate",
    "mlp.out.weight": "mlp.W_out",
}
"""Stored `[out in]`."""
BLOCK = re.compile(r"(blocks\.\d+\.)(.+)")
NORM = re.compile(r"(ln1|ln2|ln_final)\.(weight|bias)")
READS = re.compile(r"attn\.([qkv])\.(weight|bias)")
HEADS = {
    "weight": ("W", "(head d_head) d_model -> head d_model d_head"),
    "bias": ("b", "(head d_head) -> head d_head"),
}


def _bridged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same under the bridge's names."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        first, _, rest = name.replace(WRAPPED, "").partition(".")
        found[f"{INSIDE.get(first, first)}.{rest}".replace(".mlp.fc_", ".mlp.")] = value
    return found


def _recognised(tensors: Mapping[str, Tensor]) -> bool:
    names = _bridged(tensors)
    return "embed.weight" in names and "blocks.0.attn.q.weight" in names


def _converted(content: Content, given: Mapping[str, object]) -> Converted:
    config = content.config
    architecture = config.get("architecture")
    if architecture not in (None, "TransformerLensNative"):
        raise UserError(
            f"a TransformerLens bridge to {architecture!r}: give the model behind it, or its own file"
        )
    tensors = _bridged(content.tensors)
    heads = whole_number("n_heads", given, config.get("n_heads"), "a TransformerLens 4 state dict")
    _refuse(tensors, heads)
    state: dict[str, Tensor] = {}
    for name, value in tensors.items():
        block, rest = match.groups() if (match := BLOCK.fullmatch(name)) else ("", name)
        ours, value = _ours(rest, value, heads)
        state[block + ours] = value
    return Converted(state, lens.stated(config), lens.untold(config))


def _ours(name: str, value: Tensor, heads: int) -> tuple[str, Tensor]:
    """A tensor's name within its block as we have it, and its value. An unknown name stays, to be refused."""
    if norm := NORM.fullmatch(name):
        return f"{norm[1]}.{norm[2][0]}", value
    if reads := READS.fullmatch(name):
        letter, split = HEADS[reads[2]]
        return f"attn.{letter}_{reads[1].upper()}", rearrange(value, split, head=heads)
    if name == "attn.o.weight":
        return "attn.W_O", rearrange(value, "d_model (head d_head) -> head d_head d_model", head=heads)
    return (TURNED[name], value.T) if name in TURNED else (PLAIN.get(name, name), value)


def _refuse(tensors: Mapping[str, Tensor], heads: int) -> None:
    """Raises UserError, by name, for what such models may have and ours can't."""
    queries, keys = (take(tensors, f"blocks.0.attn.{letter}.weight") for letter in "qk")
    if queries.ndim != 2 or keys.ndim != 2 or len(queries) % heads:
        raise UserError(
            f"blocks.0.attn.q.weight is {list(queries.shape)}: expected [{heads} × d_head, d_model]"
        )
    if len(keys) != len(queries):
        raise UserError(
            f"{len(queries)} numbers in all queries and {len(keys)} in all keys: heads that share keys and "
            "values (grouped heads) can't be read"
        )
    if "pos_embed.weight" not in tensors:
        raise UserError("no position embedding: rotary positions can't be read")
    if "blocks.0.mlp.ln.weight" in tensors:
        raise UserError("blocks.0.mlp.ln.weight belongs to solu_ln: a norm inside the MLP can't be read")


NATIVE = Format("TransformerLens 4 native model", _recognised, _converted)
