"""A list as a task: another list is to be written behind it, token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from tests.explanation.framed import SPECIAL, padded, position_ids
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, numbers, several

List = list[int]


class ListTask(Task):
    """`<bos> x <sep> y`, with `<eos>` if it `ends`: from `<sep>` on, each place says what comes next.

    `rule` gives y from x; `draw(n, generator)` gives n lists x, of at most `longest` letters.
    """

    answer: int | slice = slice(0)
    asks = "Which token comes next behind <sep>?"

    def __init__(
        self,
        name: str,
        letters: Sequence[str],
        rule: Callable[[List], List],
        draw: Callable[[int, Generator], list[List]],
        width: int,
        n_ctx: int,
        ends: bool = True,
    ) -> None:
        self.name, self.n_ctx, self._width = name, n_ctx, width
        self.vocabulary = self.classes = (*letters, *SPECIAL)
        self.bos, self.sep, self.eos, self.pad = range(len(letters), len(self.vocabulary))
        self.usual: Mapping[str, str | int | float | bool | None] = {
            "act_fn": "gelu_new",
            "attention_dir": "causal",
            "pad_token": self.pad,
        }
        self._rule, self._draw, self._ends = rule, draw, ends

    def sample(self, n: int, seed: int) -> Examples:
        """`n` lists as `draw` draws them."""
        generator = Generator().manual_seed(seed)
        tokens = self._framed(self._draw(n, generator))
        return self.examples(tokens, position_ids(tokens != self.pad, generator))

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """From `<sep>` up to the last token but one."""
        behind = (tokens == self.sep).cumsum(1).bool()
        last = (tokens != self.pad).sum(1, keepdim=True) - 1
        return behind & (torch.arange(tokens.shape[1]) < last)

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """By the rule, what comes next, from `<sep>` on; 0 elsewhere."""
        labels = torch.zeros_like(tokens)
        for row, ids in enumerate(tokens.tolist()):
            sep = ids.index(self.sep)
            after = self._written(ids[1:sep])[: len(ids) - sep]
            labels[row, sep : sep + len(after)] = torch.tensor(after)
        return labels

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """None: they are what is to be found."""
        return {}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of lists x: of numbers, or of digits as in `"0110"`."""
        return self._framed([self._x(value) for value in several(inputs)])

    def _x(self, value: object) -> List:
        digits = "".join(self.vocabulary[: self.bos]) if self.bos <= 10 else ""
        if digits and isinstance(value, str):
            row = letters(value, digits, 1, self.n_ctx)
        elif isinstance(value, Sequence):
            count = len(value.replace(",", " ").split()) if isinstance(value, str) else len(value)
            row = numbers(value, count, self.bos)
        else:
            raise UserError(f"{value!r} is no list of the numbers from 0 to {self.bos - 1}")
        return row

    def _written(self, x: List) -> List:
        return [*self._rule(x), *[self.eos] * self._ends]

    def _framed(self, lists: list[List]) -> Int[Tensor, "batch seq"]:
        rows = [[self.bos, *x, self.sep, *self._written(x)] for x in lists]
        return padded(rows, self.pad, self._width)
