"""Compiled programs, each compiled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from torch import Tensor

from algoscope.compiled.compiler import Compiled, compile
from algoscope.compiled.programs.library import PROGRAMS


@pytest.fixture(scope="session")
def compiled() -> Callable[..., Compiled]:
    """`compiled(name)`, `compiled(name, noise)`: a program of the library as a model."""
    return cache(lambda name, noise=None: compile(PROGRAMS[name], noise))


@pytest.fixture(scope="session")
def text_of() -> Callable[[Compiled, Tensor], str]:
    """`text_of(compiled, tokens)`: one input as a string of the program's letters."""

    def text(compiled: Compiled, tokens: Tensor) -> str:
        letters = compiled.program.alphabet
        return "".join(letters[token] for token in tokens.tolist() if token < len(letters))

    return text
