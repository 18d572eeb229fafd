"""Six numbers, then the same in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import numbers, several

COUNT = 6
VALUES = 20
SORT = VALUES


class Sorting(Task):
    """6 numbers from 0 to 19, `sort`, and the same numbers in order but for the last.

    From `sort` on, each position is answered with the number that comes next. So a model reads what has been
    written so far, as one that writes its own answers would.
    """

    name = "sorting"
    vocabulary = (*map(str, range(VALUES)), "sort")
    pad = None
    n_ctx = 2 * COUNT
    classes = tuple(map(str, range(VALUES)))
    answer = slice(COUNT, 2 * COUNT)
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "causal",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": None,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, all 20⁶ lists as likely; in 56 % of them some numbers are equal."""
        generator = torch.Generator().manual_seed(seed)
        return self.examples(_framed(torch.randint(VALUES, (n, COUNT), generator=generator)))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch answer"]:
        """The numbers in order."""
        return tokens[:, :COUNT].sort(1).values

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`smaller`: int `[batch seq]`, how many of the 6 numbers are smaller than the one here; 6 at `sort`.
        `copies`: int `[batch seq]`, how many of them are as large.
        `n_different`: int `[batch]`, how many different numbers there are."""
        given = tokens[:, None, :COUNT]
        ordered = tokens[:, :COUNT].sort(1).values
        return {
            "smaller": (given < tokens[:, :, None]).sum(-1),
            "copies": (given == tokens[:, :, None]).sum(-1),
            "n_different": 1 + (ordered.diff(dim=1) != 0).sum(1),
        }

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of lists of 6 numbers, or of texts with spaces or commas between the numbers."""
        rows = [numbers(value, COUNT, VALUES) for value in several(inputs)]
        return _framed(torch.tensor(rows, dtype=torch.long).reshape(-1, COUNT))

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """How many different numbers there are."""
        different = examples.concepts["n_different"]
        return {
            "all different": different == COUNT,
            "one pair": different == COUNT - 1,
            "more are equal": different < COUNT - 1,
        }

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One number replaced by another, and put where it belongs."""
        return _framed(token_changes(range(VALUES))(tokens[:, :COUNT], generator))


def _framed(given: Int[Tensor, "batch number"]) -> Int[Tensor, "batch seq"]:
    ordered = given.sort(1).values
    return torch.cat([given, torch.full((len(given), 1), SORT), ordered[:, :-1]], dim=1)
