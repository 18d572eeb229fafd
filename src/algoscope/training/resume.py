"""An unfinished run as a file: all that it takes to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from algoscope import atomic
from algoscope.errors import UserError
from algoscope.training.run import Run

VERSION = "1"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""


def beside(checkpoint: Path) -> Path:
    """Where the unfinished run of this checkpoint is kept."""
    return checkpoint.with_name(f"{checkpoint.name}.resume")


def write(path: Path, run: Run) -> None:
    """Keep the run as it is now; whatever was at `path` stays until the new file is complete."""
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for name, parameter in run.model.named_parameters():
        for moment, value in run.optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}.{name}"] = value
    content = safetensors.torch.save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        {"algoscope-resume": VERSION, "run": json.dumps(_identity(run) | _place(run))},
    )
    atomic.write(path, content)


def restore(path: Path, run: Run) -> None:
    """Put a new run to where the one kept at `path` was.

    Raises UserError if there is none, or if that one has another task, seed or recipe.
    """
    tensors, kept = _read(path)
    for setting, value in _identity(run).items():
        if kept.get(setting) != value:
            raise UserError(
                f"{path} was started with {setting} {kept.get(setting)}, not {value}: "
                "resume with the options that it was started with"
            )
    names = [name for name, _ in run.model.named_parameters()]
    learnt = [name for name, parameter in run.model.named_parameters() if parameter.requires_grad]
    try:
        run.model.load_state_dict({name: tensors[f"model.{name}"] for name in names})
        if kept["step"]:
            _restore_moments(run, tensors, learnt)
        run.step, run.loss, run.seconds = kept["step"], kept["loss"], kept["seconds"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): start again with --force") from error


def _restore_moments(run: Run, tensors: Mapping[str, Tensor], names: list[str]) -> None:
    state = run.optimizer.state_dict()
    state["state"] = {
        index: {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS} for index, name in enumerate(names)
    }
    run.optimizer.load_state_dict(state)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("algoscope-resume") != VERSION:
            raise UserError(f"{path} is no unfinished run of this algoscope: start again with --force")
        return tensors, dict(json.loads(metadata["run"]))
    except FileNotFoundError as error:
        raise UserError(
            f"nothing to resume: there is no {path}; a run that came to its end leaves none"
        ) from error
    except (OSError, safetensors.SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}): start again with --force") from error


def _identity(run: Run) -> dict[str, object]:
    """What makes a run this one and no other."""
    return {"task": run.task.name, "seed": run.seed, **run.recipe.to_dict()}


def _place(run: Run) -> dict[str, object]:
    return {"step": run.step, "loss": run.loss, "seconds": run.seconds}
