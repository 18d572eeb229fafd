"""Which task is meant by this name, or by this class in the user's own file?"""

from __future__ import annotations

import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from algoscope.errors import UserError
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.door import check
from algoscope.tasks.first_unique import FirstUnique
from algoscope.tasks.maximum import Maximum
from algoscope.tasks.modular_addition import ModularAddition
from algoscope.tasks.nesting import Nesting
from algoscope.tasks.palindromes import Palindromes
from algoscope.tasks.reversal import Reversal
from algoscope.tasks.sorting import Sorting
from algoscope.tasks.task import Task

_KINDS: tuple[type[Task], ...] = (
    Brackets,
    Palindromes,
    Sorting,
    Reversal,
    ModularAddition,
    Maximum,
    Nesting,
    FirstUnique,
)
_TASKS = {kind.name: kind for kind in _KINDS}


def names() -> tuple[str, ...]:
    """The tasks that come with algoscope."""
    return tuple(_TASKS)


def get(spec: str | Task) -> Task:
    """The task of this name, or the one that `path/to/file.py:ClassName` defines; a task is returned as is.

    A user's file is imported, and the class instantiated without arguments. Raises UserError if there is
    no such task, and for what is wrong with a task that does not come with algoscope.
    """
    if not isinstance(spec, str):
        return spec if type(spec) in _KINDS else check(spec, names())
    if spec in _TASKS:
        return _TASKS[spec]()
    path, colon, class_name = spec.rpartition(":")
    if not colon:
        path, class_name = spec, ""
    if path.endswith(".py"):
        return _from_file(Path(path), class_name)
    close = get_close_matches(spec, names(), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UserError(f"no task {spec!r}: {hint}choose from {', '.join(names())}, or path/to/file.py:ClassName")


def _from_file(path: Path, class_name: str) -> Task:
    if not class_name:
        raise UserError(f"{path} may define several tasks: name the class, as in {path}:ClassName")
    kind = getattr(_imported(path), class_name, None)
    if not isinstance(kind, type):
        raise UserError(f"{path} defines no class {class_name!r}: check the name after the colon")
    try:
        task = kind()
    except Exception as error:
        raise UserError(f"{class_name}() of {path} fails: {type(error).__name__}: {error}") from error
    return check(task, names())


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no file {path}: a task of your own is given as path/to/file.py:ClassName")
    name = f"algoscope_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up the module that they were defined in.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"{path} can't be imported: {type(error).__name__}: {error}") from error
    return module
