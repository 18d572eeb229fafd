"""The functions that courses call as `utils.…`; the name is theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from algoscope.errors import UserError
from algoscope.hooked.absent import UTILS, not_importable
from algoscope.hooked.factored import FactoredMatrix

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
    logits: Float[Tensor, "batch seq class"],
    tokens: Int[Tensor, "batch seq"],
    attention_mask: Int[Tensor, "batch seq"] | None = None,
    per_token: bool = False,
) -> Float[Tensor, ""] | Float[Tensor, "batch next"]:
    """Mean surprise at each next token, in nats; `[batch seq-1]` if `per_token`.

    With an `attention_mask`, pairs of which one is masked count as 0, and not in the mean.
    Raises UserError where the classes are no tokens.
    """
    _are_tokens(logits, tokens)
    surprise = functional.cross_entropy(
        logits[..., :-1, :].flatten(0, -2), tokens[..., 1:].flatten().long(), reduction="none"
    ).view_as(tokens[..., 1:])
    seen = torch.ones_like(surprise)
    if attention_mask is not None:
        seen = (attention_mask[..., :-1].bool() & attention_mask[..., 1:].bool()).to(surprise.dtype)
    return surprise * seen if per_token else (surprise * seen).sum() / seen.sum()


def lm_accuracy(
    logits: Float[Tensor, "batch seq class"], tokens: Int[Tensor, "batch seq"], per_token: bool = False
) -> Float[Tensor, ""] | Bool[Tensor, "batch next"]:
    """Share of next tokens that have the highest logit; whether each has, `[batch seq-1]`, if `per_token`."""
    _are_tokens(logits, tokens)
    right = logits.argmax(-1)[..., :-1] == tokens[..., 1:]
    return right if per_token else right.float().mean()


def _are_tokens(logits: Tensor, tokens: Tensor) -> None:
    if logits.shape[-1] <= int(tokens.max()):
        raise UserError(
            f"the loss of a language model needs a logit for each token, and there are {logits.shape[-1]} "
            "classes: take torch.nn.functional.cross_entropy of the logits at the answer, and your labels"
        )


def get_corner(tensor: Tensor | FactoredMatrix, n: int = 3) -> Tensor:
    """The first `n` along each axis.

    >>> get_corner(torch.arange(12).view(3, 4), 2).tolist()
    [[0, 1], [4, 5]]
    """
    corner = tensor[(slice(n),) * tensor.ndim]
    return corner.AB if isinstance(corner, FactoredMatrix) else corner


def remove_batch_dim(tensor: Tensor) -> Tensor:
    """Without its first axis, if that has one place."""
    return tensor.squeeze(0)


def transpose(tensor: Float[Tensor, "*lead a b"]) -> Float[Tensor, "*lead b a"]:
    return tensor.mT


def composition_scores(
    left: FactoredMatrix, right: FactoredMatrix, broadcast_dims: bool = True
) -> Float[Tensor, "*lead"]:
    """‖left right‖ / (‖left‖ ‖right‖) in Frobenius norms; of every one with every other if `broadcast_dims`.

    0 where one of the two is 0.
    """
    if broadcast_dims:
        leading = left.ndim - 2
        for _ in range(right.ndim - 2):
            left = left.unsqueeze(leading)
        for _ in range(leading):
            right = right.unsqueeze(0)
    # The outer factors are rotations, which no norm sees.
    product = torch.linalg.matrix_norm(left.collapse_l() @ right.collapse_r())
    scores: Tensor = product / (left.norm() * right.norm())
    return scores.nan_to_num(0)


def get_device() -> torch.device:
    """A GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def __getattr__(name: str) -> Any:
    raise not_importable("algoscope.hooked.utils", name, UTILS)
