"""Trained models by name or path, read with what their task knows about them."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from algoscope.checkpoints import checkpoint
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.checkpoints.live import Live
from algoscope.checkpoints.named import Names, read_names
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.tasks import registry
from algoscope.tasks.task import Task

SHIPPED = Path(__file__).parents[1] / "shipped"


def shipped() -> dict[str, Path]:
    """The models inside the package: name -> file."""
    return {file.stem: file for file in sorted(SHIPPED.glob("*.safetensors"))}


def read(
    name_or_path: str | Path | Live,
    task: str | Task | None = None,
    names: Names | Path | None = None,
    **config: object,
) -> Checkpoint:
    """The shipped model of this name, or the checkpoint in this file; or a model in memory, copied.

    `task` (itself, a name, or `file.py:Class`) fills in what a HookedTransformer's state dict can't say;
    without it, the checkpoint's task is the one that the file records. `config` overrides both. `names` map a
    file's own names onto HookedTransformer's: a mapping, or a TOML file that holds one. Raises
    UserError if there is no such file, if it gives no model, or if the model does not fit the task.
    """
    source = name_or_path if isinstance(name_or_path, Live) else _path(name_or_path)
    known = None if task is None else registry.get(task)
    mapping = read_names(names) if isinstance(names, Path) else names
    found = checkpoint.read(source, known.usual if known else {}, config, mapping)
    if known is None and found.task in registry.names():
        # A task in a user's file stays a name here: reading a checkpoint must not run what it points to.
        known = registry.get(found.task)
    if known is not None:
        check_fit(found.model.config, known, source.name if isinstance(source, Path) else found.name)
    if task is None:
        return found
    return replace(found, task=task if isinstance(task, str) else task.name)


def _path(name_or_path: str | Path) -> Path:
    path = shipped().get(str(name_or_path), Path(name_or_path))
    if not path.exists():
        raise UserError(_no_such(str(name_or_path)))
    return path


def check_fit(config: Config, task: Task, name: str) -> None:
    """Raises UserError if the model of this config can't be given the task's inputs, or has other classes."""
    sizes = (
        ("input tokens", config.d_vocab, len(task.vocabulary)),
        ("classes", config.d_vocab_out, len(task.classes)),
    )
    for what, has, needs in sizes:
        if has != needs:
            raise UserError(
                f"{name} does not fit the task {task.name}: it has {has} {what}, and the task has {needs}"
            )
    if config.n_ctx < task.n_ctx:
        raise UserError(
            f"{name} does not fit the task {task.name}: it reads {config.n_ctx} tokens, and the task's "
            f"inputs have up to {task.n_ctx}"
        )


def _no_such(name: str) -> str:
    names = shipped()
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    have = f"the models that come with algoscope are {', '.join(names)}; " if names else ""
    return f"no checkpoint {name!r}: {hint}{have}any other is given as the path of its file"
