"""A user's own names for weights, mapped onto ours: for models that no format recognises."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from einops import rearrange
from torch import Tensor

from algoscope.checkpoints import lens
from algoscope.checkpoints.content import Content
from algoscope.checkpoints.format import Converted, whole_number
from algoscope.errors import UserError

Names = Mapping[str, str]
"""From a file's names to HookedTransformer's.

`{layer}` stands for a number on both sides, `.T` behind one of ours says that the file's is transposed, `QKV`
that three of ours stand side by side in it, and "" that it is no weight of the model:

    {"layers.{layer}.fc1.weight": "blocks.{layer}.mlp.W_in.T", "tok.weight": "embed.W_E", "mask": "",
     "layers.{layer}.qkv.weight": "blocks.{layer}.attn.W_QKV.T"}
"""
JOINT = "_QKV"

HEADS = {
    "attn.W_Q": "d_model (head d_head) -> head d_model d_head",
    "attn.W_K": "d_model (head d_head) -> head d_model d_head",
    "attn.W_V": "d_model (head d_head) -> head d_model d_head",
    "attn.W_O": "(head d_head) d_model -> head d_head d_model",
    "attn.b_Q": "(head d_head) -> head d_head",
    "attn.b_K": "(head d_head) -> head d_head",
    "attn.b_V": "(head d_head) -> head d_head",
}
"""How weights of all heads side by side are split, by the end of our name."""


def read_names(path: Path) -> Names:
    """The names in a TOML file: the table `names`, or all of it. Raises UserError if it holds none."""
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path} is no TOML: {error}") from error
    names = read.get("names", read)
    if not isinstance(names, dict) or not all(isinstance(ours, str) for ours in names.values()):
        raise UserError(f'{path} maps no names: write lines like "tok.weight" = "embed.W_E"')
    return names


def by_names(content: Content, names: Names, given: Mapping[str, object]) -> Converted:
    """The weights under our names. Raises UserError for a name that maps nothing, and for leftovers."""
    state: dict[str, Tensor] = {}
    left = dict(content.tensors)
    for theirs, ours in names.items():
        pattern = re.compile(re.escape(theirs).replace(r"\{layer\}", r"(?P<layer>\d+)"))
        found = {name: match for name in left if (match := pattern.fullmatch(name))}
        if not found:
            raise UserError(f"names has {theirs!r}, and the file has no such tensor: it has {_some(left)}")
        for name, match in found.items():
            target = ours.replace("{layer}", match.groupdict().get("layer", "{layer}"))
            state |= _mapped(left.pop(name), target, given)
    if left:
        raise UserError(f'names leaves out {_some(left)}: map every tensor, to "" if it is no weight')
    return Converted(state, lens.stated(content.config), lens.untold(content.config))


def _mapped(value: Tensor, target: str, given: Mapping[str, object]) -> dict[str, Tensor]:
    """What a tensor is under our names: nothing, one of ours, or three."""
    if not target:
        return {}
    if target.endswith(".T"):
        value, target = value.T, target.removesuffix(".T")
    if not target.endswith(JOINT):
        return {target: _split(value, target, given)}
    targets = [target.removesuffix(JOINT) + f"_{letter}" for letter in "QKV"]
    return {name: _split(part, name, given) for name, part in zip(targets, value.chunk(3, -1), strict=True)}


def _split(value: Tensor, target: str, given: Mapping[str, object]) -> Tensor:
    """A tensor as we keep it, heads apart."""
    split = HEADS.get(".".join(target.split(".")[2:]))
    if split is None or value.ndim != len(re.sub(r"\([^)]*\)", "one", split.split("->")[0]).split()):
        return value
    return rearrange(
        value, split, head=whole_number("n_heads", given, None, "a matrix of all heads side by side")
    )


def _some(tensors: Mapping[str, Tensor]) -> str:
    shown = ", ".join(sorted(tensors)[:3])
    return shown + (f" and {len(tensors) - 3} more" if len(tensors) > 3 else "")
