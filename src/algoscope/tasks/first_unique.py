"""Which is the first letter that occurs only once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, several

ALPHABET = "abcdefgh"
COUNT = 8
START, NONE = COUNT, COUNT
UNIQUE = {0: 0.25, 1: 0.3, 2: 0.15, 3: 0.1, 4: 0.1, 5: 0.05, 6: 0.025, 8: 0.025}
"""How often a sample has inputs with this many letters that occur once. There can't be 7 of 8."""


class FirstUnique(Task):
    """`<start>` and 8 letters from a to h. At `<start>` the first letter that occurs exactly once is read,
    or `none`."""

    name = "first-unique"
    vocabulary = (*ALPHABET, "<start>")
    pad = None
    n_ctx = COUNT + 1
    classes = (*ALPHABET, "none")
    answer = 0
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "bidirectional",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": None,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs in which 0 to 8 letters occur once, with the weights `UNIQUE`; every input can be drawn.

        The other places hold 1 or more letters, each number as likely, at least twice each; the order is
        random. So the answer is `none` in a quarter, and often stands late.
        """
        generator = torch.Generator().manual_seed(seed)
        weights = torch.tensor(list(UNIQUE.values()), dtype=torch.float64)
        drawn = torch.multinomial(weights, n, replacement=True, generator=generator) if n else torch.zeros(0)
        n_unique = torch.tensor(list(UNIQUE))[drawn.long()][:, None]
        most = (COUNT - n_unique) // 2
        n_repeated = 1 + (torch.rand(n, 1, generator=generator) * most).long()
        # Which repeated letter a place holds: each of them twice, then any of them.
        place = torch.arange(COUNT) - n_unique
        anyone = (torch.rand(n, COUNT, generator=generator) * n_repeated).long()
        repeated = torch.where(place < 2 * n_repeated, place % n_repeated, anyone)
        letter = torch.where(place < 0, torch.arange(COUNT), n_unique + repeated)
        names = torch.rand(n, COUNT, generator=generator).argsort(1)
        order = torch.rand(n, COUNT, generator=generator).argsort(1)
        return self.examples(_framed(names.gather(1, letter).gather(1, order)))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        """The first letter that occurs once; 8 if there is none."""
        unique = _counts(tokens) == 1
        first = tokens.gather(1, unique.long().argmax(1, keepdim=True))[:, 0]
        return torch.where(unique.any(1), first, NONE)

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`count`: int `[batch seq]`, how often the letter here occurs, 0 at `<start>`. `unique`: bool
        `[batch seq]`, it occurs once. `n_unique`: int `[batch]`, how many letters do. `place`: int `[batch]`,
        the position of the first of them, 0 if there is none."""
        count = _counts(tokens)
        unique = count == 1
        return {
            "count": count,
            "unique": unique,
            "n_unique": unique.sum(1),
            # <start> is never unique, so the first of no unique letters is its position.
            "place": unique.long().argmax(1),
        }

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of strings of 8 letters like `"abacabad"`."""
        rows = [letters(value, ALPHABET, COUNT, COUNT) for value in several(inputs)]
        return _framed(torch.tensor(rows, dtype=torch.long).reshape(-1, COUNT))

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """Where the answer stands."""
        place = examples.concepts["place"]
        return {
            "none": place == 0,
            "the first letter": place == 1,
            "the second letter": place == 2,
            "letter 3 or 4": (place >= 3) & (place <= 4),
            "letter 5 to 8": place >= 5,
        }

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One letter replaced by another."""
        return token_changes(range(len(ALPHABET)))(tokens, generator)

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """The first letter that occurs once."""
        place = torch.arange(len(tokens), device=tokens.device)
        return (place > 0) & (place == self.concepts(tokens[None])["place"])


def _counts(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    """How often each letter occurs; 0 at `<start>`."""
    return (tokens[:, None] == tokens[:, :, None]).sum(-1) * (tokens != START)


def _framed(strings: Int[Tensor, "batch letter"]) -> Int[Tensor, "batch seq"]:
    return torch.cat([torch.full((len(strings), 1), START), strings], dim=1)
