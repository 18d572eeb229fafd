"""Every format that a model is written in, beside our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from algoscope.checkpoints.export import Exported, write_folder
from algoscope.checkpoints.to_gpt2 import to_gpt2
from algoscope.checkpoints.to_hooked import to_hooked
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer

EXPORTS: Mapping[str, Callable[[Transformer], Exported]] = {"gpt2": to_gpt2, "hooked": to_hooked}


def export(model: Transformer, form: str, folder: Path, replace: bool = False) -> tuple[str, ...]:
    """Writes the model into a folder, in the format of this name. What to know about it, a line each.

    Raises UserError for a format that is not there or can't hold the model, and for a folder that has one.
    """
    if form not in EXPORTS:
        near = get_close_matches(form, EXPORTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {' and '.join(EXPORTS)}"
        raise UserError(f"no format {form!r}: {hint}")
    exported = EXPORTS[form](model)
    write_folder(exported, folder, replace)
    return exported.notes
