"""A model on its way out: what another library's folder holds, and writing it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from algoscope import atomic
from algoscope.checkpoints.content import Content
from algoscope.checkpoints.settings import Inference
from algoscope.errors import UserError

PADDING = "pad_token"
"""Key of a safetensors header: other libraries mask padding outside the model, and have no setting for it."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A model in the names, shapes and settings of another library."""

    config: Mapping[str, object]
    """What goes into config.json."""
    tensors: Mapping[str, Tensor]
    pad_token: int | None = None
    notes: tuple[str, ...] = ()
    """What is the same model, but written in another way, or left to whoever calls it."""


def write_folder(exported: Exported, folder: Path, replace: bool = False) -> None:
    """Writes config.json and model.safetensors. Raises UserError if weights are there, unless `replace`."""
    weights = folder / "model.safetensors"
    if weights.exists() and not replace:
        raise UserError(f"{weights} is there already: give another folder, or --force")
    # transformers reads no file without this "format".
    metadata = {"format": "pt"}
    if exported.pad_token is not None:
        metadata[PADDING] = str(exported.pad_token)
    tensors = {name: value.detach().cpu().contiguous() for name, value in exported.tensors.items()}
    atomic.write(folder / "config.json", json.dumps(exported.config, indent=1) + "\n")
    atomic.write(weights, safetensors.torch.save(tensors, metadata))


def padding(content: Content) -> tuple[Inference, ...]:
    """The padding token that `write_folder` noted down."""
    noted = content.metadata.get(PADDING, "")
    return (
        (Inference("pad_token", int(noted), "noted in the file"),) if re.fullmatch(r"\d{1,9}", noted) else ()
    )


def masking(pad_token: int | None) -> tuple[str, ...]:
    """What a caller of the other library's model has to do."""
    if pad_token is None:
        return ()
    return (f"keys at token {pad_token} are masked here: mask them there too, where inputs are padded",)
