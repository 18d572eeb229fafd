"""Which of these numbers is the largest?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import numbers, several

COUNT = 4
VALUES = 64


class Maximum(Task):
    """4 numbers from 0 to 63; the largest is read at the last.

    The setting of Gross et al., Compact Proofs of Model Performance via Mechanistic Interpretability (2024).
    """

    name = "maximum"
    vocabulary = tuple(map(str, range(VALUES)))
    pad = None
    n_ctx = COUNT
    classes = vocabulary
    answer = COUNT - 1
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": None,
        "attention_dir": "causal",
        "normalization_type": "none",
        "pad_token": None,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, all 64⁴ as likely."""
        generator = torch.Generator().manual_seed(seed)
        return self.examples(torch.randint(VALUES, (n, COUNT), generator=generator))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        """The largest number."""
        return tokens.amax(1)

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`is_largest`: bool `[batch seq]`. `place`: int `[batch]`, the first position of the largest number.
        `lead`: int `[batch]`, by how much it exceeds the second; 0 where two are as large."""
        first, second = tokens.topk(2, dim=1).values.unbind(1)
        largest = tokens == first[:, None]
        return {"is_largest": largest, "place": largest.long().argmax(1), "lead": first - second}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of lists of 4 numbers, or of texts with spaces or commas between the numbers."""
        rows = [numbers(value, COUNT, VALUES) for value in several(inputs)]
        return torch.tensor(rows, dtype=torch.long).reshape(-1, COUNT)

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """By how much the largest number exceeds the second."""
        lead = examples.concepts["lead"]
        return {
            "a tie": lead == 0,
            "ahead by 1": lead == 1,
            "ahead by 2 to 7": (lead >= 2) & (lead < 8),
            "ahead by 8 or more": lead >= 8,
        }

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One number replaced by another."""
        return token_changes(range(VALUES))(tokens, generator)

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """The largest number, wherever it stands."""
        return tokens == tokens.max()
