"""What is the sum of two numbers modulo 53?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import numbers, several

MODULUS = 53
EQUALS = MODULUS


class ModularAddition(Task):
    """Two numbers from 0 to 52 and `=`, where their sum modulo 53 is read.

    There are only 53² = 2,809 inputs, and a model is trained on all of them: what it gets right says nothing
    about inputs that it has not seen. The setting of Nanda et al., Progress Measures for Grokking via
    Mechanistic Interpretability (2023), who hold inputs back.
    """

    name = "modular-addition"
    vocabulary = (*map(str, range(MODULUS)), "=")
    pad = None
    n_ctx = 3
    classes = tuple(map(str, range(MODULUS)))
    answer = 2
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "causal",
        "normalization_type": "none",
        "pad_token": None,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, all 53² as likely, each drawn anew: a large sample has each of them several times."""
        generator = torch.Generator().manual_seed(seed)
        return self.examples(_framed(torch.randint(MODULUS, (n, 2), generator=generator)))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        """The sum modulo 53."""
        return tokens[:, :2].sum(1) % MODULUS

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`sum`: int `[batch]`, before it is reduced. `wraps`: bool `[batch]`, it is 53 or more.
        `first`, `second`: int `[batch]`, the numbers."""
        first, second = tokens[:, 0], tokens[:, 1]
        total = first + second
        return {"sum": total, "wraps": total >= MODULUS, "first": first, "second": second}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of pairs of numbers, or of texts with a space or a comma between the numbers."""
        rows = [numbers(value, 2, MODULUS) for value in several(inputs)]
        return _framed(torch.tensor(rows, dtype=torch.long).reshape(-1, 2))

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """Whether anything is taken off the sum."""
        wraps = examples.concepts["wraps"].bool()
        return {"sum below 53": ~wraps, "sum of 53 or more": wraps}

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One of the numbers replaced by another."""
        return token_changes(range(MODULUS))(tokens, generator)


def _framed(pairs: Int[Tensor, "batch 2"]) -> Int[Tensor, "batch seq"]:
    return torch.cat([pairs, torch.full((len(pairs), 1), EQUALS)], dim=1)
