"""A string, then the same backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, several

ALPHABET = "abcdefghij"
SHORTEST, LONGEST = 2, 10
BOS, SEP, PAD = range(len(ALPHABET), len(ALPHABET) + 3)


class Reversal(Task):
    """`<bos>`, 2 to 10 letters, `<sep>`, the same letters backwards, then `<pad>` up to 22 tokens.

    From `<sep>` on, each position but the last is answered with the letter that comes next. Where that is
    differs with the length.
    """

    name = "reversal"
    vocabulary = (*ALPHABET, "<bos>", "<sep>", "<pad>")
    pad = PAD
    n_ctx = 2 * LONGEST + 2
    classes = tuple(ALPHABET)
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "causal",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": PAD,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, each length as likely, and all strings of a length."""
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(SHORTEST, LONGEST + 1, (n,), generator=generator)
        strings = torch.randint(len(ALPHABET), (n, LONGEST), generator=generator)
        return self.examples(_framed(strings, lengths))

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """`<sep>`, and every letter behind it but the last."""
        return _mirror(tokens) > 0

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """The letter that comes next, where a position is answered."""
        return tokens.gather(1, _mirror(tokens))

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`length`: int `[batch]`, of the string. `mirror`: int `[batch seq]`, at an answer the position of
        the letter that comes next, which is also how many letters are still to come; 0 elsewhere."""
        return {"length": _lengths(tokens), "mirror": _mirror(tokens)}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of strings like `"abc"`: `<bos> a b c <sep> c b a`, padded to 22."""
        rows = [letters(value, ALPHABET, SHORTEST, LONGEST) for value in several(inputs)]
        strings = torch.tensor([row + [0] * (LONGEST - len(row)) for row in rows], dtype=torch.long)
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
        return _framed(strings.reshape(-1, LONGEST), lengths)

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """By length."""
        length = examples.concepts["length"]
        return {
            "2 or 3 letters": length <= 3,
            "4 or 5 letters": (length >= 4) & (length <= 5),
            "6 or 7 letters": (length >= 6) & (length <= 7),
            "8 to 10 letters": length >= 8,
        }

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One letter replaced by another, before and behind `<sep>`."""
        lengths = _lengths(tokens)
        within = torch.arange(LONGEST) < lengths[:, None]
        strings = tokens[:, 1 : LONGEST + 1].where(within, PAD)
        return _framed(token_changes(range(len(ALPHABET)))(strings, generator), lengths)


def _lengths(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
    return (tokens == SEP).long().argmax(1) - 1


def _mirror(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    """For `<sep>` and what follows, the position as far before `<sep>` as the next one is behind it.

    0, the position of `<bos>`, before `<sep>` and where no letter is left.
    """
    sep = _lengths(tokens)[:, None] + 1
    position = torch.arange(tokens.shape[1], device=tokens.device)
    return torch.where(position >= sep, 2 * sep - 1 - position, 0).clamp(min=0)


def _framed(strings: Int[Tensor, "batch letter"], lengths: Int[Tensor, "batch"]) -> Int[Tensor, "batch seq"]:
    """`<bos>`, each string up to its length, `<sep>`, the string backwards, `<pad>`."""
    tokens = torch.full((len(strings), 2 * LONGEST + 2), PAD)
    tokens[:, 0] = BOS
    place, size = torch.arange(LONGEST), lengths[:, None]
    tokens[:, 1 : LONGEST + 1] = torch.where(place < size, strings, PAD)
    tokens.scatter_(1, size + 1, SEP)
    behind = torch.arange(2 * LONGEST + 2) - size - 2
    backwards = strings.gather(1, (size - 1 - behind).clamp(0, LONGEST - 1))
    return torch.where((behind >= 0) & (behind < size), backwards, tokens)
