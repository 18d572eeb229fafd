"""What is in a file or folder, before anybody asks what it means: tensors, and what is said beside them."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import torch
from torch import Tensor

from algoscope.checkpoints.numbers import PLAIN
from algoscope.checkpoints.pickles import refuse_endless
from algoscope.checkpoints.size import refuse_packed, refuse_repeated
from algoscope.errors import UserError

WRAPPERS = ("model", "state_dict", "model_state_dict", "module", "params")
"""Keys under which training scripts put the weights, beside an optimizer and the like."""
CONFIGS = ("model_args", "cfg", "config")
"""Keys under which they put what the model is like."""
PREFIXES = ("_orig_mod.", "module.", "model.")
"""What torch.compile, data-parallel training and wrapping modules put in front of every name."""
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The file with the weights in a Hugging Face folder."""


@dataclass(frozen=True, eq=False)
class Content:
    """Named tensors, with what a file says beside them."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of a safetensors file."""
    config: Mapping[str, object] = field(default_factory=dict)
    """Of a `config.json` beside the weights, or of what a training script stored with them."""
    notes: tuple[tuple[str, str], ...] = ()
    """What was taken off, and why: `("prefix", "_orig_mod.")`."""


def read_content(path: Path) -> Content:
    """The tensors in a file, or in a Hugging Face folder. Goes by what is in a file, not by its name.

    Never runs code from it. Raises UserError for what holds no named tensors.
    """
    if path.is_dir():
        return _folder(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except FileNotFoundError as error:
        raise UserError("there is no such file") from error
    except OSError as error:
        raise UserError(f"can't read it: {error.strerror}") from error
    if start[8:] == b"{":
        return unprefixed(_safetensors(path))
    if start.startswith((b"PK", b"\x80")):
        return unprefixed(_pickled(path, start.startswith(b"PK")))
    raise UserError("neither a safetensors file nor one that torch.save wrote, or cut short")


def _folder(path: Path) -> Content:
    file = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if file is None:
        raise UserError(f"a folder without {' or '.join(WEIGHTS)}: give the checkpoint file in it")
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("a folder without config.json, which says what the weights mean") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"config.json can't be read ({error})") from error
    if not isinstance(config, dict):
        raise UserError("config.json holds no object of settings")
    found = read_content(file)
    return Content(found.tensors, found.metadata, config, found.notes)


def _safetensors(path: Path) -> Content:
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Content(tensors, file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise UserError(f"a damaged or incomplete safetensors file ({error})") from error


def _pickled(path: Path, zipped: bool) -> Content:
    """Tensors of a file that torch.save wrote. Anything in it but plain data is refused, not run."""
    if zipped:
        refuse_packed(path)
    refuse_endless(path, zipped)
    try:
        # A file object, as torch.load goes by a path's ending.
        with path.open("rb") as file, torch.serialization.safe_globals(PLAIN):
            state = torch.load(file, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:
        # What torch raises for damaged bytes depends on where the damage is: a dozen types, none its own.
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and called:
            if called[1].startswith("numpy"):
                raise UserError(
                    f"it holds numpy values ({called[1]}) beside its tensors: leave them out"
                ) from error
            raise UserError(
                f"it holds Python objects ({called[1]}), which could run code: save `model.state_dict()`"
            ) from error
        raise UserError(f"a damaged or incomplete file of torch.save ({type(error).__name__})") from error
    found = _unwrapped(state)
    refuse_repeated(found.tensors.values(), path.stat().st_size)
    return found


def _unwrapped(state: object) -> Content:
    """The state dict itself, or the one that a training script put beside other things."""
    if isinstance(state, Mapping) and state and all(isinstance(value, Tensor) for value in state.values()):
        return Content({str(name): value.detach() for name, value in state.items()})
    if isinstance(state, Mapping):
        for key in WRAPPERS:
            inner = state.get(key)
            if isinstance(inner, Mapping) and inner and all(isinstance(v, Tensor) for v in inner.values()):
                tensors = {str(name): value.detach() for name, value in inner.items()}
                beside: object = next((state[name] for name in CONFIGS if name in state), None)
                config = dict(beside) if isinstance(beside, Mapping) else {}
                return Content(tensors, {}, config, (("weights under the key", key),))
    keys = f" with {', '.join(map(repr, list(state)[:3]))}" if isinstance(state, Mapping) else ""
    raise UserError(f"it holds a {type(state).__name__}{keys}: save `model.state_dict()` alone")


def unprefixed(content: Content) -> Content:
    """The same without what stands in front of every name and means nothing."""
    tensors, notes = dict(content.tensors), list(content.notes)
    while prefix := next(
        (p for p in PREFIXES if tensors and all(name.startswith(p) for name in tensors)), None
    ):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
        notes.append(("prefix taken off all names", prefix))
    return Content(tensors, content.metadata, content.config, tuple(notes))
