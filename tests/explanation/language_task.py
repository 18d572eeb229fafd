"""A language as a task: which tokens may come next, at every place of a word?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

import torch
from jaxtyping import Bool, Int
from tests.explanation.framed import SPECIAL, padded, position_ids
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, several, short

LONGEST = 49
"""Letters of the longest word that is drawn."""
NEVER = 10_000


class LanguageTask(Task):
    """`<bos> word <eos>`: at `<bos>` and at every letter, the set of tokens that may come next.

    `step` gives the state behind a letter, None where no word goes on so; a word may end in
    one of the states `accepts`, which must be within reach of every state that `step` gives.
    `staying` is how many times as often a letter is drawn that leaves the state as it is.
    """

    n_ctx = 152
    answer: int | slice = slice(0)
    asks = "Which tokens may come next?"

    def __init__(
        self,
        name: str,
        alphabet: str,
        start: int,
        step: Callable[[int, str], int | None],
        accepts: Set[int],
        staying: float = 1.0,
    ) -> None:
        self.name = name
        self.vocabulary = self.classes = (*alphabet, *SPECIAL)
        self.bos, self.sep, self.eos, self.pad = range(len(alphabet), len(self.vocabulary))
        self.usual: Mapping[str, str | int | float | bool | None] = {
            "act_fn": "gelu_new",
            "attention_dir": "causal",
            "pad_token": self.pad,
        }
        self._alphabet = alphabet
        self._next, self._accepts = _table(alphabet, start, step, accepts)
        self._to_end = _distance(self._next, self._accepts)
        self._staying = staying

    def sample(self, n: int, seed: int) -> Examples:
        """`n` words of 0 to 49 letters: a walk of 0 to 49 steps, then the shortest way to the end of a word.

        Each number of steps is as likely, and, but for `staying`, each letter that may come next. Longer
        words are left out.
        """
        generator = Generator().manual_seed(seed)
        drawn, found = [torch.zeros(0, LONGEST + 2, dtype=torch.long)], 0
        while found < n:
            words = self._walk(n + 20, generator)
            drawn.append(words[words[:, -1] == self.pad][:, : LONGEST + 2])
            found += len(drawn[-1])
        tokens = torch.cat(drawn)[:n]
        return self.examples(tokens, position_ids(tokens != self.pad, generator))

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """At `<bos>` and at every letter."""
        return tokens <= self.bos

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq class"]:
        """Whether each token may come next; nothing may behind what begins no word."""
        state = torch.zeros(len(tokens), dtype=torch.long)
        states = []
        for token in tokens.T:
            state = torch.where(token < self.bos, self._next[state, token.clamp(max=self.bos - 1)], state)
            states.append(state)
        return self._may_follow[torch.stack(states, 1)]

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """None: they are what is to be found."""
        return {}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of words like `"aabb"`."""
        rows = [self._word(value) for value in several(inputs)]
        return padded([[self.bos, *row, self.eos] for row in rows], self.pad, LONGEST + 2)

    def _word(self, value: object) -> list[int]:
        row, state = letters(value, self._alphabet, 0, self.n_ctx - 2), 0
        for letter in row:
            state = int(self._next[state, letter])
        if not self._accepts[state]:
            raise UserError(f"{short(value)} is no word of {self.name}")
        return row

    @property
    def _may_follow(self) -> Bool[Tensor, "state class"]:
        follow = torch.zeros(len(self._next), len(self.classes), dtype=torch.bool)
        follow[:, : self.bos] = self._next < len(self._next) - 1
        follow[:, self.eos] = self._accepts
        return follow

    def _walk(self, n: int, generator: Generator) -> Int[Tensor, "batch seq"]:
        """Words with `<bos>` and `<eos>`, padded by one or more unless they have over 49 letters."""
        steps = torch.randint(LONGEST + 1, (n,), generator=generator)
        state, ended = torch.zeros(n, dtype=torch.long), torch.zeros(n, dtype=torch.bool)
        allowed = self._may_follow[:, : self.bos]
        odds = torch.where(self._next == torch.arange(len(self._next))[:, None], self._staying, 1.0) * allowed
        closer = allowed & (self._to_end[self._next] < self._to_end[:, None])
        columns = [torch.full((n,), self.bos)]
        for place in range(LONGEST + 2):
            walking = place < steps
            ending = ~walking & self._accepts[state]
            weights = torch.where(walking[:, None], odds[state], closer[state] | ending[:, None])
            letter = torch.multinomial(weights, 1, generator=generator)[:, 0]
            columns.append(torch.where(ended, self.pad, torch.where(ending, self.eos, letter)))
            state = torch.where(ending, state, self._next[state, letter])
            ended |= ending
        return torch.stack(columns, 1)


def _table(
    alphabet: str,
    start: int,
    step: Callable[[int, str], int | None],
    accepts: Set[int],
) -> tuple[Int[Tensor, "state letter"], Bool[Tensor, "state"]]:
    """Which state each letter leads to, and where a word may end; behind the last state none goes on."""
    states, rows = [start], []
    for state in states:
        after = [step(state, letter) for letter in alphabet]
        states += [new for new in dict.fromkeys(after) if new is not None and new not in states]
        rows.append([-1 if new is None else states.index(new) for new in after])
    table = torch.tensor([*rows, [-1] * len(alphabet)])
    return table.where(table >= 0, len(states)), torch.tensor(
        [*(state in accepts for state in states), False]
    )


def _distance(table: Int[Tensor, "state letter"], accepts: Bool[Tensor, "state"]) -> Int[Tensor, "state"]:
    """The fewest letters from each state to the end of a word."""
    distance = torch.where(accepts, 0, NEVER)
    for _ in table:
        distance = torch.minimum(distance, distance[table].amin(1) + 1)
    return distance
