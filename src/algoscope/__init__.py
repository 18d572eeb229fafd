"""algoscope: reverse-engineer small transformers trained on algorithmic tasks.

`algoscope.load` is here for convenience and imports torch when it is first used; everything else is
imported from where it lives, e.g. `from algoscope.tasks.brackets import Brackets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from algoscope.checkpoints.live import Live
    from algoscope.model.transformer import Transformer
    from algoscope.tasks.task import Task

__version__ = "0.1.0"


def load(
    name_or_path: str | Path | Live,
    task: str | Task | None = None,
    names: Mapping[str, str] | Path | None = None,
    **config: object,
) -> Transformer:
    """The trained model called `name_or_path`: a shipped one ("brackets"), a checkpoint file, or a folder.

    A model in memory, of TransformerLens, transformers or your own, is copied.
    Its parameters are frozen; `model.requires_grad_()` thaws them. `task` (itself, a name, or
    `file.py:Class`) fills in what a HookedTransformer state dict can't say, and `config` overrides both, e.g.
    `attention_dir="causal"`; `names` map a file's own names onto HookedTransformer's.
    Raises UserError if the file can't be read, or a setting is missing.
    """
    from algoscope.checkpoints import read

    return read(name_or_path, task=task, names=names, **config).model
