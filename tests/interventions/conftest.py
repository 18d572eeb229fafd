"""The slow transformer of the model's tests, to compare with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SLOW = Path(__file__).parents[1] / "model" / "conftest.py"
spec = importlib.util.spec_from_file_location("slow_transformer", SLOW)
slow_transformer = sys.modules["slow_transformer"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slow_transformer)

slow_run = slow_transformer.slow_run


@pytest.fixture(scope="session")
def change():
    """What the slow transformer takes as an edit that also replaces: `change(keep, shift)`."""
    return slow_transformer.Change
