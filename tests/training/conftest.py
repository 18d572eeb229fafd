from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from algoscope.tasks import registry
from algoscope.tasks.task import Task
from algoscope.training.recipe import Recipe


@pytest.fixture(scope="session")
def small() -> Callable[[str], Task]:
    """The task of this name in small_tasks.py."""
    return lambda name: registry.get(f"{Path(__file__).with_name('small_tasks.py')}:{name}")


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    """Learns the small tasks in about a second."""
    return Recipe(n_layers=1, d_model=16, n_heads=2, d_mlp=16, steps=80, batch=64, lr=1e-2)
