"""The ten models that nobody here trained, and what each was trained to do. See `public/README.md`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Int
from safetensors.torch import load_file
from tests.explanation.language_task import LanguageTask
from tests.explanation.list_task import List, ListTask
from torch import Generator, Tensor

from algoscope import checkpoints
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples, Task

LONGEST = 50
"""Letters of the longest x of a list task."""
WORDS = tuple(map(str, range(150)))
LETTERS = "abcde"
TRACKS, TRACK = 3, 16
"""The interleaved strings, and the length of the longest."""


def nested(most: int) -> Callable[[int, str], int | None]:
    """How a bracket changes the depth."""

    def step(depth: int, bracket: str) -> int | None:
        deeper = depth + (1 if bracket == "a" else -1)
        return deeper if 0 <= deeper <= most else None

    return step


def zeros_at_end(run: int, bit: str) -> int | None:
    return 0 if bit == "1" else run + 1 if run < 2 else None


def odd_counts(odd: int, bit: str) -> int:
    """Bit by bit, whether the number of 0s and that of 1s is odd."""
    return odd ^ (1 << int(bit))


def last_letter(last: int, letter: str) -> int | None:
    """Which of the letters came last, -1 before the first."""
    new = LETTERS.index(letter)
    return new if new in (last, last + 1) else None


def majority(x: List) -> List:
    return [int(2 * sum(x) > len(x))]


def majorities(x: List) -> List:
    return [bit for track in range(TRACKS) for bit in majority(x[track::TRACKS])]


def bits(lengths: Int[Tensor, "string"], longest: int, generator: Generator) -> Int[Tensor, "string place"]:
    """Strings of bits, each with a share of ones of its own, any as likely, and none half ones."""
    strings = torch.zeros(len(lengths), longest, dtype=torch.long)
    drawn = torch.ones(len(lengths), dtype=torch.bool)
    within = torch.arange(longest) < lengths[:, None]
    while drawn.any():
        share = torch.rand(len(lengths), 1, generator=generator)
        new = (torch.rand(strings.shape, generator=generator) < share) & within
        strings = torch.where(drawn[:, None], new.long(), strings)
        drawn = 2 * strings.sum(1) == lengths
    return strings


def one_string(n: int, generator: Generator) -> list[List]:
    lengths = torch.randint(1, LONGEST + 1, (n,), generator=generator)
    return cut(bits(lengths, LONGEST, generator), lengths)


def interleaved(n: int, generator: Generator) -> list[List]:
    lengths = torch.randint(1, TRACK + 1, (n,), generator=generator)
    tracks = bits(lengths.repeat_interleave(TRACKS), TRACK, generator)
    return cut(tracks.reshape(n, TRACKS, TRACK).transpose(1, 2).flatten(1), TRACKS * lengths)


def distinct(n: int, generator: Generator) -> list[List]:
    lengths = torch.randint(1, LONGEST + 1, (n,), generator=generator)
    return cut(torch.rand(n, len(WORDS), generator=generator).argsort(1), lengths)


def cut(rows: Int[Tensor, "batch place"], lengths: Int[Tensor, "batch"]) -> list[List]:
    return [row[:length] for row, length in zip(rows.tolist(), lengths.tolist(), strict=True)]


TASKS: dict[str, Task] = {
    "D2": LanguageTask("D2", "ab", 0, nested(2), accepts={0}),
    "D3": LanguageTask("D3", "ab", 0, nested(3), accepts={0}),
    "tomita4": LanguageTask("tomita4", "01", 0, zeros_at_end, accepts={0, 1, 2}),
    "tomita5": LanguageTask("tomita5", "01", 0, odd_counts, accepts={0}),
    # Runs of a to d are about 5 long in the given words, so a walk stays at each with odds 4 to 1.
    "abcde": LanguageTask("abcde", LETTERS, -1, last_letter, accepts={len(LETTERS) - 1}, staying=4),
    "aaaastar": LanguageTask("aaaastar", "a", 0, lambda count, _: (count + 1) % 4, accepts={0}),
    "bin_majority": ListTask(
        "bin_majority", "01", majority, one_string, width=LONGEST + 3, n_ctx=154, ends=False
    ),
    "bin_majority_interleave": ListTask(
        "bin_majority_interleave", "01", majorities, interleaved, width=TRACKS * TRACK + 6, n_ctx=156
    ),
    "unique_reverse": ListTask(
        "unique_reverse", WORDS, lambda x: x[::-1], distinct, width=2 * LONGEST + 3, n_ctx=303
    ),
    "unique_copy_step1200": ListTask(
        "unique_copy_step1200", WORDS, lambda x: x, distinct, width=2 * LONGEST + 3, n_ctx=303
    ),
}


@cache
def public(name: str) -> tuple[Transformer, Task]:
    """One of the ten models and its task; skips the test where there is no reference material."""
    return checkpoints.read(folder() / name).model, TASKS[name]


def examples_of_values(name: str) -> Examples:
    """The 200 inputs that came with a model, with the task's labels."""
    values = given(name)
    return TASKS[name].examples(values["tokens"].long(), values["position_ids"].long())


def given(name: str) -> dict[str, Tensor]:
    """What stands in a model's `values.safetensors`."""
    return load_file(folder() / name / "values.safetensors")


def facts(name: str) -> dict[str, Any]:
    """What stands in `values.json` about a model: its vocabulary and its accuracy."""
    found: dict[str, Any] = json.loads((folder() / "values.json").read_text())[name]
    return found


def folder() -> Path:
    reference = os.environ.get("ALGOSCOPE_REFERENCE")
    public = Path(reference or "", "public")
    if not reference or not public.is_dir():
        pytest.skip(f"ALGOSCOPE_REFERENCE is {reference!r}: set it to a folder with the public models")
    return public
