"""The house's order: a room imports lower rooms only, and what is generic knows no task by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src/algoscope"
FLOORS = (
    ("errors", "correlation"),
    ("atomic",),
    ("tasks", "model"),
    ("checkpoints", "compiled"),
    ("interventions", "training", "catalogue", "hooked"),
    ("analysis",),
    ("discovery",),
    ("explanation",),
    ("figures",),
    ("questions",),
    ("stories",),
    ("report",),
    ("cli", "__main__"),
)
"""From the ground up; rooms of one floor don't know each other."""

GENERIC = ("model", "interventions", "analysis", "discovery", "explanation", "figures", "questions")
TASKS = {path.stem for path in (SRC / "tasks").glob("*.py")} - {
    "__init__", "task", "answers", "display", "registry", "files", "door",
}  # fmt: skip


def imports(path: Path) -> list[tuple[str, ...]]:
    """What a file imports of algoscope, each as its parts: ("tasks", "task")."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "algoscope":
            names = [f"algoscope.{alias.name}" for alias in node.names]
        found += [tuple(name.split(".")[1:]) for name in names if name.startswith("algoscope.")]
    return found


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


FILES = sorted(path for path in SRC.rglob("*.py") if path.name != "__init__.py" or path.parent != SRC)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_room_imports_lower_rooms_only(path):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for parts in imports(path):
        if parts and parts[0] != room(path) and not parts[0].startswith("__"):
            assert floor[parts[0]] < floor[room(path)], f"{'.'.join(parts)} does not stand below"


@pytest.mark.parametrize("name", GENERIC)
def test_a_generic_room_knows_no_task(name):
    assert len(TASKS) >= 3
    for path in (SRC / name).rglob("*.py"):
        for parts in imports(path):
            assert not (parts[:1] == ("tasks",) and parts[1:2] and parts[1] in TASKS), f"{path}: {parts}"
