"""What many tests share: the folder of reference material, if there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with the public weights and golden values; skips the test where there is none."""
    folder = os.environ.get("ALGOSCOPE_REFERENCE")
    if not folder:
        pytest.skip(
            "ALGOSCOPE_REFERENCE is not set: it names the folder with the public weights and golden values"
        )
    return Path(folder)
