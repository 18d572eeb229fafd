"""Files that are never half-written."""

from __future__ import annotations

import os
from pathlib import Path

from algoscope.errors import UserError


def write(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8; whatever was at `path` stays until the new one is complete.

    Folders that don't exist are made. Raises UserError if the file can't be written.
    """
    data = content.encode() if isinstance(content, str) else content
    # Beside the target, so that the rename stays within one file system and is atomic.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; choose another place") from error
