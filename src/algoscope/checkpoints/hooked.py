"""HookedTransformer state dicts, whose names and shapes are our own, and the older ones without biases."""

from __future__ import annotations

from collections.abc import Mapping

from einops import rearrange
from torch import Tensor

from algoscope.checkpoints import lens
from algoscope.checkpoints.content import Content
from algoscope.checkpoints.export import padding
from algoscope.checkpoints.format import Converted, Format, take
from algoscope.checkpoints.settings import Inference

OUTPUT = "blocks.0.attn.W_O"


def _hooked_names(tensors: Mapping[str, Tensor]) -> bool:
    return "embed.W_E" in tensors or any(name.startswith("blocks.0.attn.W_") for name in tensors)


def _flat_heads(tensors: Mapping[str, Tensor]) -> bool:
    """Whether heads are written side by side into W_O, as in the code of the grokking papers."""
    return OUTPUT in tensors and tensors[OUTPUT].ndim == 2


def _grokking(content: Content, given: Mapping[str, object]) -> Converted:
    """Weights that multiply from the left: W_E `[d_model d_vocab]`, W_Q `[head d_head d_model]`."""
    tensors = dict(content.tensors)
    heads = len(take(tensors, "blocks.0.attn.W_Q"))
    turned: dict[str, Tensor] = {}
    for name, value in tensors.items():
        end = name.rsplit(".", 1)[-1]
        if end in ("W_E", "W_in", "W_out"):
            value = value.T
        elif end in ("W_Q", "W_K", "W_V"):
            value = value.transpose(1, 2)
        elif end == "W_O":
            value = rearrange(value, "d_model (head d_head) -> head d_head d_model", head=heads)
        turned[name] = value
    stated = (
        ()
        if any(".ln" in name for name in tensors)
        else (Inference("normalization_type", "none", "no layer norm weights, and this code has none"),)
    )
    return Converted(
        turned,
        (*stated, Inference("attention_dir", "causal", "the code of this format masks so")),
        lens.TRACELESS,
    )


HOOKED = Format(
    "HookedTransformer state dict",
    lambda tensors: _hooked_names(tensors) and not _flat_heads(tensors),
    lambda content, given: Converted(
        content.tensors, (*lens.stated(content.config), *padding(content)), lens.untold(content.config)
    ),
)
GROKKING = Format(
    "grokking-style state dict", lambda tensors: _hooked_names(tensors) and _flat_heads(tensors), _grokking
)
