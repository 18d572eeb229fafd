"""Is this sequence of numbers the same backwards?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor
from torch.nn import functional

from algoscope.errors import UserError
from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import numbers, several

VALUES = 31
"""The numbers are 0 to 30; each is its own token id."""
HALF = 10
START, END = VALUES, VALUES + 1
END_POSITION = 2 * HALF + 1
PAIRS = tuple((2 * HALF - pair, 1 + pair) for pair in range(HALF))
"""(later, earlier) position of each mirrored pair, the outermost first."""


class Palindromes(Task):
    """`START`, 20 numbers from 0 to 30, `END`; the answer is read at `END`.

    Position p mirrors position 21 - p.
    """

    name = "palindromes"
    vocabulary = (*map(str, range(VALUES)), "START", "END")
    pad = None
    n_ctx = END_POSITION + 1
    classes = ("not palindrome", "palindrome")
    answer = END_POSITION
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": None,
        "attention_dir": "causal",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": None,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n // 2` palindromes and other sequences, in random order.

        The others are palindromes in which 1 to 10 mirrored pairs, each number of pairs as likely, get a
        second member other than the first: so one in ten of them has a single mismatch.
        """
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(VALUES, (n, HALF), generator=generator)
        n_broken = torch.randint(1, HALF + 1, (n, 1), generator=generator)
        n_broken[: n // 2] = 0
        rank = torch.rand(n, HALF, generator=generator).argsort(1)
        shift = torch.randint(1, VALUES, (n, HALF), generator=generator)
        second = torch.where(rank < n_broken, (first + shift) % VALUES, first)
        tokens = _framed(torch.cat([first, second.flip(1)], dim=1))
        return self.examples(tokens[torch.randperm(n, generator=generator)])

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        """1 where the sequence is a palindrome, 0 where not."""
        return (~mismatch(tokens).any(1)).long()

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`mismatch`: bool `[batch seq]`, True at both members of a mirrored pair that differ, False at
        `START` and `END`. `n_mismatches`: int `[batch]`, the number of such pairs."""
        differs = mismatch(tokens)
        return {"mismatch": differs, "n_mismatches": differs.sum(1) // 2}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of sequences of 20 numbers: lists, or text with spaces or commas between the numbers."""
        rows = [numbers(value, 2 * HALF, VALUES) for value in several(inputs)]
        return _framed(torch.tensor(rows, dtype=torch.long).reshape(-1, 2 * HALF))

    def contrasts(self, n: int, seed: int) -> tuple[Examples, Examples]:
        """Sequences with one mismatched pair, each with the palindrome that the later number keeps it from.

        Every pair breaks as often as the others.
        """
        broken = broken_at(functional.one_hot(torch.arange(n) % HALF, HALF).bool(), seed)
        earlier = broken.tokens.flip(1)[:, END_POSITION - HALF : -1]
        mended = torch.cat([broken.tokens[:, : HALF + 1], earlier, broken.tokens[:, -1:]], dim=1)
        return broken, self.examples(mended)

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """Each sequence with another number somewhere, or, one time in two, with new ones in a mirrored pair,
        equal if they were equal and different if not."""
        anywhere = token_changes(range(VALUES))(tokens, generator)
        mirrored = mirrored_changes(tokens, generator)
        return torch.where(torch.rand(len(tokens), 1, generator=generator) < 0.5, anywhere, mirrored)

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """Both members of every mirrored pair that differs."""
        return mismatch(tokens[None])[0]


def mismatch(tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
    """Where a number differs from the one that mirrors it."""
    differs = tokens != tokens.flip(1)
    differs[:, [0, -1]] = False
    return differs


def mirrored_changes(tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
    """One pair of each input gets new numbers: equal ones if they were equal, different ones if not."""
    rows = torch.arange(len(tokens))
    pair = torch.randint(HALF, (len(tokens),), generator=generator)
    later, earlier = torch.tensor(PAIRS)[pair].T
    first = torch.randint(VALUES, (len(tokens),), generator=generator)
    shift = torch.randint(1, VALUES, (len(tokens),), generator=generator)
    equal = tokens[rows, later] == tokens[rows, earlier]
    changed = tokens.clone()
    changed[rows, earlier] = first
    changed[rows, later] = torch.where(equal, first, (first + shift) % VALUES)
    return changed


def broken_at(broken: Bool[Tensor, "batch pair"], seed: int) -> Examples:
    """Random sequences whose mirrored pairs differ where marked, and only there.

    Pair 0 is the outermost, positions 1 and 20; pair 9 is the innermost, 10 and 11.
    """
    if broken.ndim != 2 or broken.shape[1] != HALF:
        raise UserError(f"broken is {list(broken.shape)}: give [batch, {HALF}], a column for each pair")
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(VALUES, broken.shape, generator=generator)
    shift = torch.randint(1, VALUES, broken.shape, generator=generator)
    second = torch.where(broken.cpu(), (first + shift) % VALUES, first)
    return Palindromes().examples(_framed(torch.cat([first, second.flip(1)], dim=1)))


def arena_sample(size: int) -> Examples:
    """The data set of `size` (an even number) sequences that the ARENA challenge of July 2023 evaluates on.

    Half are palindromes; in the others each number of the second half is kept, or replaced by a random
    one, by the toss of a coin. The draws and their order are the published ones, with seed 42.
    """
    if size < 2 or size % 2:
        raise UserError(f"size is {size}: half of the sequences are palindromes, so give an even number")
    generator = torch.Generator().manual_seed(42)
    shape = (size // 2, HALF)
    first = torch.randint(VALUES, shape, generator=generator)
    replacement = torch.randint(VALUES, shape, generator=generator)
    replaced = torch.randint(2, shape, generator=generator).bool()
    others = torch.cat([first, torch.where(replaced, replacement, first.flip(1))], dim=1)
    mirrored = torch.randint(VALUES, shape, generator=generator)
    palindromes = torch.cat([mirrored, mirrored.flip(1)], dim=1)
    order = torch.randperm(size, generator=generator)
    return Palindromes().examples(_framed(torch.cat([palindromes, others])[order]))


def _framed(numbers: Int[Tensor, "batch number"]) -> Int[Tensor, "batch seq"]:
    start, end = (numbers.new_full((len(numbers), 1), token) for token in (START, END))
    return torch.cat([start, numbers, end], dim=1)
