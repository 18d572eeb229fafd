"""A user's own task, as one would write it: the digits that come in, in order, read at four positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples, Task


class Digits(Task):
    """Four digits, then four positions where the sorted list is read."""

    name = "digits"
    vocabulary = (*map(str, range(10)), "?")
    pad = None
    n_ctx = 8
    classes = tuple(map(str, range(10)))
    answer = slice(4, 8)
    usual: Mapping[str, str | int | float | bool | None] = {"act_fn": "gelu", "attention_dir": "causal"}

    def sample(self, n: int, seed: int) -> Examples:
        digits = torch.randint(10, (n, 4), generator=torch.Generator().manual_seed(seed))
        return self.examples(torch.cat([digits, torch.full((n, 4), 10)], dim=1))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch answer"]:
        return tokens[:, :4].sort(1).values

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        return {"largest": tokens[:, :4].max(1).values}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        for text in inputs:
            if not (isinstance(text, str) and len(text) == 4 and text.isdecimal()):
                raise UserError(f"{text!r} is no input: give four digits like '3141'")
        return torch.tensor([[*map(int, str(text)), *[10] * 4] for text in inputs])


class Unfinished(Task):
    name = "unfinished"
    vocabulary = ("a", "b")
    classes = ("no", "yes")
    n_ctx = 2
    answer = 0
    usual: Mapping[str, str | int | float | bool | None] = {}


class NeedsAnArgument(Digits):
    def __init__(self, length: int) -> None:
        self.length = length


class Stranger:
    """Has what a task must define, but not what comes with inheriting from one."""

    name, vocabulary, pad, n_ctx, classes, answer = "stranger", ("a",), None, 1, ("no", "yes"), 0
    usual: Mapping[str, str | int | float | bool | None] = {}
    sample = label = concepts = encode = lambda self: None
