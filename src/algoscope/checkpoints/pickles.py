"""Is a pickle only a state dict? Asked before torch reads it, which refuses code, but not what never ends.

torch's own reader builds nothing but plain data. A few bytes of it can still fill the memory
(`bytearray(10**12)`), or take for ever (a dict whose key is a tuple of a tuple twice, and so on: its hash
visits every path).
"""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path
from typing import BinaryIO

from algoscope.errors import UserError

LARGEST = 10_000_000
"""Values in one tuple, with those in the tuples within it."""
PICKLES = 5
"""How many follow each other in a file of torch's old format, before the bytes of the tensors."""
ALLOCATES = "builtins bytearray"


def refuse_endless(path: Path, zipped: bool) -> None:
    """Raises UserError for a file of torch.save whose pickles ask for more than they hold."""
    try:
        if not zipped:
            with path.open("rb") as file:
                _old(file)
            return
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                if name.endswith(".pkl"):
                    with file.open(name) as part:
                        _one(part)  # type: ignore[arg-type]
    except UserError:
        raise
    except Exception as error:
        # As with torch's reader, the type depends on where the damage is.
        raise UserError(f"a damaged or incomplete file of torch.save ({type(error).__name__})") from error


def _old(file: BinaryIO) -> None:
    for _ in range(PICKLES):
        _one(file)


def _one(file: BinaryIO) -> None:
    """Follows one pickle on a stack of sizes, as `pickletools.dis` does on a stack of kinds."""
    stack: list[int | None] = []  # None is a mark.
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name == "GLOBAL" and argument == ALLOCATES:
            raise UserError("it holds a bytearray: save `model.state_dict()` alone")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = len(memo) if argument is None else int(argument)
            memo[place] = stack[-1] or 0
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument or 0)])
        else:
            size = 1 + sum(_popped(stack, opcode))
            if size > LARGEST:
                raise UserError("it holds values within values without end: save `model.state_dict()` alone")
            after = opcode.stack_after
            stack += [None if kind is pickletools.markobject else size for kind in after]


def _popped(stack: list[int | None], opcode: pickletools.OpcodeInfo) -> list[int]:
    """The sizes of what an opcode takes off the stack, back to the mark where it takes one."""
    kinds = opcode.stack_before
    found: list[int] = []
    if pickletools.markobject in kinds:
        while (top := stack.pop()) is not None:
            found.append(top)
        kinds = kinds[: kinds.index(pickletools.markobject)]
    if opcode.name == "POP" and stack and stack[-1] is None:
        stack.pop()
        return found
    return found + [stack.pop() or 0 for _ in kinds]
