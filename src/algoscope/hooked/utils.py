"""The functions that courses call as `utils.…`; the name is theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.errors import UserError

SHORT = {
    "attn": "pattern",
    "attn_logits": "attn_scores",
    "key": "k",
    "query": "q",
    "value": "v",
    "mlp_pre": "pre",
    "mlp_post": "post",
}
"""Other words for the same value."""
INSIDE = {
    **dict.fromkeys(("q", "k", "v", "z", "pattern", "attn_scores", "result"), "attn"),
    **dict.fromkeys(("pre", "post"), "mlp"),
}
"""Which part of a block a value stands in, where that goes without saying."""
PARTS = {"a": "attn", "attention": "attn", "m": "mlp", "b": "", "block": "", "blocks": ""}
"""Other words for the parts of a block."""


def get_act_name(name: str, layer: int | str | None = None, layer_type: str | None = None) -> str:
    """The full name of a site, from the short one, its layer, and the part of the block if that is needed.

    >>> get_act_name("q", 0), get_act_name("resid_pre", 1), get_act_name("scale", 0, "ln1")
    ('blocks.0.attn.hook_q', 'blocks.1.hook_resid_pre', 'blocks.0.ln1.hook_scale')
    >>> get_act_name("embed"), get_act_name("normalized"), get_act_name("k2"), get_act_name("scale0ln1")
    ('hook_embed', 'ln_final.hook_normalized', 'blocks.2.attn.hook_k', 'blocks.0.ln1.hook_scale')
    """
    if layer is None and layer_type is None and ("." in name or name.startswith("hook_")):
        return name
    if written := re.match(r"([a-z_]+?)(\d+)(.*)", name):
        name, layer, layer_type = written[1], written[2], written[3] or layer_type
    name = SHORT.get(name, name)
    part = INSIDE.get(name, PARTS.get(layer_type or "", layer_type))
    if name in ("scale", "normalized") and layer is None:
        part = "ln_final"
    places = () if layer is None else ("blocks", str(layer))
    return ".".join((*places, *((part,) if part else ()), f"hook_{name}"))


def to_numpy(value: Tensor | np.ndarray[Any, Any] | Sequence[float] | float) -> np.ndarray[Any, Any]:
    """The same numbers as an array, from whatever device, and without gradients."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def lm_cross_entropy_loss(
    logits: Float[Tensor, "batch seq class"], tokens: Int[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Mean surprise at each next token, in nats. Raises UserError where the classes are no tokens."""
    if logits.shape[-1] <= int(tokens.max()):
        raise UserError(
            f"the loss of a language model needs a logit for each token, and there are {logits.shape[-1]} "
            "classes: take torch.nn.functional.cross_entropy of the logits at the answer, and your labels"
        )
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten().long())


def get_device() -> torch.device:
    """A GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
