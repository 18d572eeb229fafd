"""Is this string of brackets balanced?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.tasks.bracket_strings import LONGEST, Mix, dyck, places, swapped
from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task

START, PAD, END, OPEN, CLOSE = range(5)
DEFAULT_MIX = Mix()


class Brackets(Task):
    """Strings of 2 to 40 brackets: `[start]`, the brackets, `[end]`, then `[pad]` up to 42 tokens.

    Failures are told apart as the models learn them, reading from the right. A suffix's elevation is its
    number of `)` minus its number of `(`. *Total elevation failure*: that of the whole string isn't 0.
    *Negative failure*: that of some suffix is below 0. A string is balanced if it has neither.
    """

    name = "brackets"
    vocabulary = ("[start]", "[pad]", "[end]", "(", ")")
    pad = PAD
    n_ctx = LONGEST + 2
    classes = ("unbalanced", "balanced")
    answer = 0
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "bidirectional",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": PAD,
    }

    def __init__(self, mix: Mix = DEFAULT_MIX) -> None:
        self.mix = mix

    def sample(self, n: int, seed: int) -> Examples:
        """`n` strings of even length, every length from 2 to 40 as likely, of the kinds in `mix`."""
        generator = torch.Generator().manual_seed(seed)
        lengths = _even_lengths(n, generator)
        opens = self.mix.draw(lengths, generator)
        return self.examples(_framed(torch.where(opens, OPEN, CLOSE), lengths))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        """1 where balanced, 0 where not."""
        elevation = suffix_elevation(tokens)
        return ((elevation[:, 0] == 0) & (elevation >= 0).all(1)).long()

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """Both kinds of failure, and what they rest on.

        `total_elevation_failure`, `negative_failure`, `starts_open`: bool `[batch]`.
        `suffix_elevation`: int `[batch seq]`, of the suffix that begins here; at `[start]` it is that of
        the whole string, at `[end]` and `[pad]` it is 0.
        `open_proportion`: float `[batch]`, the share of `(` among the brackets.
        """
        elevation = suffix_elevation(tokens)
        opens, closes = (tokens == OPEN).sum(1), (tokens == CLOSE).sum(1)
        return {
            "total_elevation_failure": elevation[:, 0] != 0,
            "negative_failure": (elevation < 0).any(1),
            "suffix_elevation": elevation,
            "open_proportion": opens / (opens + closes),
            "starts_open": tokens[:, 1] == OPEN,
        }

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of strings like `"(())"`, padded to 42."""
        if isinstance(inputs, str):
            raise UserError(f"encode takes a list of strings: write [{_short(inputs)}]")
        strings = [_checked(text) for text in inputs]
        lengths = torch.tensor([len(text) for text in strings], dtype=torch.long)
        brackets = np.frombuffer("".join(strings).encode("ascii"), dtype=np.uint8)
        rows = torch.full((len(strings), LONGEST), PAD)
        within = torch.arange(LONGEST) < lengths[:, None]
        rows[within] = torch.from_numpy(np.where(brackets == ord("("), OPEN, CLOSE))
        return _framed(rows, lengths)

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """The four failure classes."""
        negative = examples.concepts["negative_failure"]
        total = examples.concepts["total_elevation_failure"]
        return {
            "both failures": negative & total,
            "only negative": negative & ~total,
            "only total elevation": ~negative & total,
            "balanced": ~negative & ~total,
        }

    def contrasts(self, n: int, seed: int) -> tuple[Examples, Examples]:
        """Unbalanced strings, each with the balanced one that it was made of.

        One half has one bracket turned round, a total elevation failure; the other half a `(` and a `)`
        exchanged, a negative failure alone.
        """
        generator = torch.Generator().manual_seed(seed)
        # Most exchanges leave a string balanced: of so many, enough do not.
        lengths = _even_lengths(16 * n + 100, generator)
        balanced = dyck(lengths, generator)
        turned = balanced ^ places(lengths, 1, generator)
        exchanged = swapped(balanced, lengths, generator)
        whole, first, second = (
            self.examples(_framed(torch.where(opens, OPEN, CLOSE), lengths))
            for opens in (balanced, turned, exchanged)
        )
        half = len(lengths) // 2
        broken = (second.labels == 0).nonzero()[:, 0]
        rows = torch.cat([torch.arange(n - n // 2), broken[broken >= half][: n // 2]])
        mixed = torch.cat([first.tokens[:half], second.tokens[half:]])
        return self.examples(mixed[rows]), whole[rows]

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """Each string with one or two of its brackets turned round."""
        return token_changes((OPEN, CLOSE), changes=2)(tokens, generator)

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """The brackets without a partner, when each `)` closes the latest `(` that is still open."""
        alone = torch.zeros_like(tokens, dtype=torch.bool)
        still_open: list[int] = []
        for position, token in enumerate(tokens.tolist()):
            if token == OPEN:
                still_open.append(position)
            elif token == CLOSE and still_open:
                still_open.pop()
            elif token == CLOSE:
                alone[position] = True
        alone[still_open] = True
        return alone


def suffix_elevation(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    """Number of `)` minus number of `(` from each position to the end."""
    step = (tokens == CLOSE).long() - (tokens == OPEN).long()
    return step.flip(1).cumsum(1).flip(1)


def _even_lengths(n: int, generator: Generator) -> Int[Tensor, "batch"]:
    return 2 * torch.randint(1, LONGEST // 2 + 1, (n,), generator=generator)


def _framed(
    brackets: Int[Tensor, "batch bracket"], lengths: Int[Tensor, "batch"]
) -> Int[Tensor, "batch seq"]:
    """Bracket tokens with `[start]` before them, `[end]` after each one's length, and `[pad]` behind."""
    tokens = torch.full((len(brackets), LONGEST + 2), PAD)
    tokens[:, 0] = START
    tokens[:, 1:-1] = brackets.masked_fill(torch.arange(LONGEST) >= lengths[:, None], PAD)
    return tokens.scatter(1, lengths[:, None] + 1, END)


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise UserError(f"{_short(text)} is no bracket string: give text like '(())'")
    if not text:
        raise UserError(f"an empty string is no input: give 1 to {LONGEST} brackets")
    if strange := text.strip("()"):
        raise UserError(f"{_short(text)} has {strange[0]!r}: a bracket string has '(' and ')' only")
    if len(text) > LONGEST:
        raise UserError(f"{_short(text)} has {len(text)} brackets: the longest input has {LONGEST}")
    return text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:24]}…{text[-4:]}"
