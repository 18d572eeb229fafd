"""A program as a task: what it answers is the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.compiled.codes import codes, looked_up
from algoscope.compiled.language import Value
from algoscope.compiled.placed import Coarse, Placed
from algoscope.compiled.program import PAD
from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, several

FEW = 10_000
"""Up to so many possible inputs, which answers occur is found by asking for all of them."""
POOL = 10
"""How many inputs are drawn for each one of a sample in which answers should be about as frequent."""


class ProgramTask(Task):
    """`<bos>` and a string of a program's letters, with `<pad>` behind it if lengths differ."""

    answer: int | slice

    def __init__(self, placed: Placed) -> None:
        self.program = program = placed.lowered.program
        self._placed = placed
        self.name, self.asks = program.name, program.asks
        self.vocabulary = program.vocabulary
        self.pad = self.vocabulary.index(PAD) if PAD in self.vocabulary else None
        self.n_ctx = 1 + program.longest
        self.usual: Mapping[str, str | int | float | bool | None] = {
            "act_fn": "relu",
            "attention_dir": "causal" if program.causal else "bidirectional",
            "normalization_type": "none",
            "pad_token": self.pad,
        }
        self.answers = self._answers()
        """What each class stands for."""
        self.classes = tuple(map(str, self.answers))

    def every_input(self) -> Int[Tensor, "batch seq"] | None:
        """All inputs, if there are not more than `FEW`."""
        program = self.program
        if sum(len(program.alphabet) ** length for length in program.lengths) > FEW:
            return None
        return self.encode(
            ["".join(text) for length in program.lengths for text in product(program.alphabet, repeat=length)]
        )

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, each length as likely.

        Letters are even; where an input has one answer, rare answers are drawn more often than they come.
        """
        generator = torch.Generator().manual_seed(seed)
        if self.program.answered == "every":
            return self.examples(self._drawn(n, generator))
        pool = self.examples(self._drawn(POOL * n, generator))
        weights = 1 / pool.labels.bincount().double()[pool.labels]
        return pool[torch.multinomial(weights, n, replacement=True, generator=generator)] if n else pool

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """At every letter, or at the last one."""
        letter = tokens < len(self.program.alphabet)
        if self.program.answered == "every":
            return letter
        return letter & (torch.arange(tokens.shape[1]) == letter.sum(1)[:, None])

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """The program's answer at each position; it counts where there is one."""
        classes = {
            here: self.answers.index(value) for here, value in self._outcomes.items() if value in self.answers
        }
        return looked_up([self._asked(tokens)], classes)

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """None: they are what is to be found. `Compiled.matters` has them."""
        return {}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of strings of the program's letters."""
        shortest, longest = self.program.lengths[0], self.program.longest
        rows = [letters(text, self.program.alphabet, shortest, longest) for text in several(inputs)]
        bos, pad = len(self.program.alphabet), len(self.program.alphabet) + 1
        padded = [[bos, *row, *[pad] * (longest - len(row))] for row in rows]
        return torch.tensor(padded, dtype=torch.long).reshape(-1, 1 + longest)

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One letter replaced by another."""
        return token_changes(range(len(self.program.alphabet)))(tokens, generator)

    @property
    def _outcomes(self) -> Coarse:
        return self._placed.coarse(self._placed.lowered.answer)

    def _asked(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """The class of the variable that the answer is read off."""
        return codes(self._placed, tokens)[self._placed.asked.expression]

    def _answers(self) -> tuple[Value, ...]:
        """What is answered to some input, as far as that can be known."""
        tokens = self.every_input()
        if tokens is None:
            return tuple(sorted(set(self._outcomes.values())))
        asked = self._asked(tokens)[self.answered(tokens)]
        return tuple(sorted({self._outcomes[index,] for index in asked.unique().tolist()}))

    def _drawn(self, n: int, generator: Generator) -> Int[Tensor, "batch seq"]:
        program, longest = self.program, self.program.longest
        lengths = torch.tensor(program.lengths)[
            torch.randint(len(program.lengths), (n, 1), generator=generator)
        ]
        text = torch.randint(len(program.alphabet), (n, longest), generator=generator)
        bos, pad = len(program.alphabet), len(program.alphabet) + 1
        text = torch.where(torch.arange(longest) < lengths, text, pad)
        return torch.cat([torch.full((n, 1), bos), text], 1)
