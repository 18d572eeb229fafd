"""From what a user names to what a study needs: the model, the task, and examples of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.device import usable
from algoscope.tasks import registry
from algoscope.tasks.files import read_examples
from algoscope.tasks.task import Examples, Task

DEFAULT_EXAMPLES = 5000


@dataclass(frozen=True)
class Prepared:
    checkpoint: Checkpoint
    task: Task
    examples: Examples
    source: str
    """Where the examples come from, in words."""


def prepare(
    name_or_path: str,
    task: str | None = None,
    config: Mapping[str, object] | None = None,
    count: int | None = None,
    seed: int = 0,
    data: Path | None = None,
    device: str = "cpu",
    names: Path | None = None,
) -> Prepared:
    """Read a model and its examples: `count` of them, sampled with `seed` or the first of the file `data`.

    `names` is a TOML file that maps the names in the model's file onto HookedTransformer's.
    Raises UserError if one can't be read, or if neither `task` nor the checkpoint says what the task is.
    """
    checkpoint = checkpoints.read(name_or_path, task, names, **(config or {}))
    if checkpoint.task is None:
        raise UserError(
            f"{name_or_path} does not say which task it was trained on: give --task, one of "
            f"{', '.join(registry.names())}, or path/to/file.py:ClassName"
        )
    if task is None and checkpoint.task not in registry.names():
        # What a checkpoint names must not be run: it may come from anyone.
        raise UserError(
            f"{name_or_path} was trained on {checkpoint.task!r}, which does not come with algoscope: "
            "give --task path/to/file.py:ClassName"
        )
    known = registry.get(checkpoint.task)
    if data is None:
        examples = known.sample(count or DEFAULT_EXAMPLES, seed)
        source = f"sampled by the task with seed {seed}"
    else:
        examples = read_examples(data, known)[:count]
        source = f"the first {len(examples):,} of {data.name}" if count else f"all of {data.name}"
    return Prepared(replace(checkpoint, model=checkpoint.model.to(usable(device))), known, examples, source)


def settings(pairs: Sequence[str]) -> dict[str, object]:
    """`["attention_dir=causal", "eps=1e-5"]` as values by name. Raises UserError for what is no setting."""
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in Config.names():
            raise UserError(f"--set {pair}: give NAME=VALUE, NAME one of {', '.join(Config.names())}")
        found[name] = _value(text)
    return found


def _value(text: str) -> object:
    if text.lower() in ("none", "null"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
