"""Does a file ask for more memory than it has bytes? Few bytes can describe a huge model."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.config import Config

LAYERS = 1000
"""More make no small transformer, and take minutes to build however narrow they are."""
SHARED = 16
"""How often tensors of one file may show the same bytes: tied weights, or modules under several names."""


def refuse_packed(path: Path) -> None:
    """Raises UserError for a zip file whose parts are larger than it, as torch.save writes none."""
    try:
        with zipfile.ZipFile(path) as file:
            parts = file.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise UserError(f"a damaged or incomplete file of torch.save ({type(error).__name__})") from error
    if sum(part.file_size for part in parts) > path.stat().st_size:
        raise UserError("its parts are packed, and larger than the file: torch.save packs nothing")


def refuse_repeated(tensors: Iterable[Tensor], held: int) -> None:
    """Raises UserError for tensors that take far more bytes than the `held` ones they are stored in."""
    if sum(value.numel() * value.element_size() for value in tensors) > SHARED * held:
        raise UserError(f"its tensors show the same {held:,} bytes over and over: save copies of them")


def refuse_too_large(config: Config, learnt: Mapping[str, Tensor]) -> None:
    """Raises UserError, before it is built, for a model that can't have its weights in this file."""
    if config.n_layers > LAYERS:
        raise UserError(f"{config.n_layers:,} layers: a small transformer has up to {LAYERS:,}")
    block = 4 * config.n_heads * config.d_head + 2 * (config.d_mlp or 0)
    rows = config.n_layers * block + config.d_vocab + config.d_vocab_out + config.n_ctx
    has, needs = sum(value.numel() for value in learnt.values()), rows * config.d_model
    # A tensor or two may be missing, which is told by name later.
    if needs > 10 * has:
        raise UserError(
            f"it holds {has:,} numbers, and a model of its sizes has {needs:,}: tensors are missing"
        )
