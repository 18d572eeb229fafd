"""The two published analyses as code: cells and solutions, cut out of their texts at test time."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import plotly.graph_objects as go
import pytest
import torch
from torch import Tensor

NOTEBOOK, LESSON = "reference/003_f85eb88160605a6c.txt", "reference/000_b3d680832f19e23f.txt"


def _text(reference: Path, name: str) -> str:
    if not (reference / name).is_file():
        pytest.skip(f"the folder of ALGOSCOPE_REFERENCE has no {name}, the text whose code this test runs")
    return (reference / name).read_text()


class Cell(NamedTuple):
    """One cell of a notebook that was saved as text."""

    number: int
    code: str
    after: str
    """What the text goes on with: what the cell printed, then prose."""


@pytest.fixture(scope="session")
def notebook(reference: Path) -> dict[int, Cell]:
    """The cells by number."""
    parts = re.split(r"^In \[(\d+)\]:\n", _text(reference, NOTEBOOK), flags=re.MULTILINE)
    cells = (_cell(int(number), part) for number, part in zip(parts[1::2], parts[2::2], strict=True))
    return {cell.number: cell for cell in cells}


def _cell(number: int, part: str) -> Cell:
    """Nothing marks where the code ends: it is as much as can be read as Python, without what was printed."""
    lines = part.splitlines()
    end = next(end for end in range(len(lines), -1, -1) if _parsed(lines[:end]) is not None)
    body = _parsed(lines[:end]).body
    while body and _printed(body[-1]):
        end = body.pop().lineno - 1
    return Cell(number, "\n".join(lines[:end]), "\n".join(lines[end:]))


def _printed(node: ast.stmt) -> bool:
    """Whether it does nothing, as what a cell printed would: `None`, `Non-palindrome`, `loss: 0.01`."""
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    return isinstance(node, ast.Expr) and not any(isinstance(part, ast.Call) for part in ast.walk(node))


def _parsed(lines: list[str]) -> ast.Module | None:
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


STARTS = (
    "Solution",
    "attn_probs_20 = ",
    "# YOUR CODE HERE - define `out_by_component",
    "for layer in range(2):",
    "layer = 0",
    "def hook_fn_display_attn_patterns_for_single_query(",
)
"""What the pieces of code begin with that are run, beside what the reader is given to fill in."""
LAST = 'print("Avg squared'
"""A piece that stands in front of the functions that it calls."""
BODIES = {"for layer in range(2)": 2, "def hook_fn_display_attn_patterns(": 3}
"""How many statements belong to what has more than one, and no `return` to end it."""


@pytest.fixture(scope="session")
def lesson(reference: Path) -> list[str]:
    """The pieces of code, in order, with the indentation that the text lost."""
    lines = _text(reference, LESSON).splitlines()
    first = [number for number, line in enumerate(lines) if line.startswith(STARTS)]
    first += [number for number, line in enumerate(lines) if line.startswith(LAST)]
    return ["\n".join(_piece(lines, number + (lines[number] == "Solution"))) for number in first]


def _piece(lines: list[str], number: int) -> Iterator[str]:
    """Statements up to the prose that follows."""
    while number < len(lines) and (found := _statement(lines, number)) is not None:
        text, number = found
        yield text


def _statement(lines: list[str], start: int) -> tuple[str, int] | None:
    """The first statement from this line on, and the line after it; None for prose."""
    while start < len(lines) and lines[start].startswith("#"):
        start += 1
    for end in range(start + 1, min(start + 40, len(lines)) + 1):
        head = lines[start:end]
        if (tree := _parsed(head)) is not None:
            word = head[0].isidentifier() and not isinstance(tree.body[0], ast.Return)
            return None if word else ("\n".join(head), end)
        opener = ["if True: pass", *head] if head[0].startswith("else") else head
        if head[-1].endswith(":") and _parsed([*opener, "    pass"]) is not None:
            return _block(lines, head, end)
    return None


def _block(lines: list[str], head: list[str], number: int) -> tuple[str, int]:
    """A header with its body: up to `return` in a function, else one statement, or as BODIES says."""
    text, count = "\n".join(head), 0
    wanted = next((n for start, n in BODIES.items() if text.startswith(start)), 1)
    is_function = text.startswith("def ") and "return" in _until_prose(lines, number)
    while True:
        found = _statement(lines, number)
        assert found is not None, f"no body for {text!r}"
        inner, number = found
        text += "\n" + "\n".join(f"    {line}" for line in inner.splitlines())
        count += 1
        done = inner.startswith(("return", "raise")) if is_function else count == wanted
        if done:
            break
    if text.startswith("if") and lines[number].startswith("else:"):
        other, number = _block(lines, [lines[number]], number + 1)
        text += "\n" + other
    return text, number


def _until_prose(lines: list[str], number: int) -> set[str]:
    """First words of the statements up to the next function or the prose."""
    words = set()
    while not lines[number].startswith("def ") and (found := _statement(lines, number)) is not None:
        text, number = found
        words.add(text.split()[0])
    return words


class Viewer:
    """Stands for `circuitsvis`: takes only what could be shown, and keeps it."""

    def __init__(self) -> None:
        self.shown: list[Tensor] = []
        self.attention = SimpleNamespace(attention_patterns=self.take, attention_heads=self.take)

    def take(
        self,
        tokens: list[str],
        attention: Tensor,
        attention_head_names: list[str] | None = None,
        max_value: object = None,
        mask_upper_tri: bool = True,
    ) -> None:
        heads, queries, keys = attention.shape
        assert queries == keys == len(tokens)
        assert all(isinstance(token, str) for token in tokens)
        assert attention_head_names is None or len(attention_head_names) == heads
        torch.testing.assert_close(attention.sum(-1), torch.ones(heads, queries))
        self.shown.append(attention)


@pytest.fixture(scope="module")
def viewer() -> Viewer:
    return Viewer()


@pytest.fixture
def shown_figures(monkeypatch: pytest.MonkeyPatch) -> list[go.Figure]:
    """Every plotly figure whose `show` is called, in place of a browser."""
    figures: list[go.Figure] = []
    monkeypatch.setattr(go.Figure, "show", lambda self, *args, **kwargs: figures.append(self))
    return figures
