"""What a task is, and the examples it gives: tokens, labels, and what is true of each input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.display import Shown


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs of a task with their labels and concepts: facts about the inputs, not about a model.

    `concepts` maps a name to a tensor whose first axis is the batch: `[batch]` for a fact about the
    whole input, `[batch seq]` for a fact about each position.
    """

    tokens: Int[Tensor, "batch seq"]
    labels: Int[Tensor, "batch *answer"]
    concepts: Mapping[str, Tensor]
    answer: int | slice
    """Where along the sequence the answer is read, as in `Task.answer`."""

    def __post_init__(self) -> None:
        for name, value in {"labels": self.labels, **self.concepts}.items():
            if len(value) != len(self.tokens):
                raise UserError(
                    f"{name} has {len(value)} rows for {len(self.tokens)} inputs: give one row each"
                )

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice | Tensor | Sequence[int]) -> Examples:
        """The examples at these rows: a slice, a boolean mask `[batch]`, or indices."""
        if isinstance(rows, slice):
            return self._each(lambda value: value[rows])
        index = torch.as_tensor(rows, device=self.tokens.device)
        if index.ndim == 0:
            raise TypeError(f"examples[{rows}] is one row: write examples[row : row + 1] for row {rows}")
        # torch takes an empty list for floats, which can't index.
        return self._each(lambda value: value[index if len(index) else index.long()])

    def batches(self, size: int) -> Iterator[Examples]:
        """Successive parts of at most `size` examples, in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on another device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: _Change) -> Examples:
        concepts = {name: change(value) for name, value in self.concepts.items()}
        return Examples(change(self.tokens), change(self.labels), concepts, self.answer)


class _Change(Protocol):
    def __call__(self, value: Tensor, /) -> Tensor: ...


@runtime_checkable
class Task(Protocol):
    """A question about token sequences whose answer is known by rule.

    Write your own as a class that inherits from this one, sets the attributes, and defines `sample`,
    `label`, `concepts` and `encode`; `examples`, `groups` and `show` then come with it. The command line
    takes it as `--task path/to/file.py:ClassName`.
    """

    name: str
    vocabulary: tuple[str, ...]
    """What each token id is called, for display; its length is the size of the input vocabulary."""
    pad: int | None
    """The id that fills short inputs up on the right; None if every input has the same length."""
    n_ctx: int
    """The longest input, in tokens."""
    classes: tuple[str, ...]
    """The names of the answer's classes, in the order of the logits."""
    answer: int | slice
    """Where the answer is read: `logits[:, task.answer]` is `[batch class]` for a position,
    `[batch answer class]` for a slice of them."""
    usual: Mapping[str, str | int | float | bool | None]
    """Settings that models of this task usually have and that bare weights don't record, e.g. `act_fn`."""

    def sample(self, n: int, seed: int) -> Examples:
        """`n` examples, the same ones for the same seed, on the CPU."""
        ...

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch *answer"]:
        """The true class of each input (of each answer, where there are several)."""
        ...

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """What is true of each input: name -> `[batch]` or `[batch seq]`."""
        ...

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of inputs as a person writes them (strings, lists of numbers).

        Raises UserError, with the first offending input, for what is no input of the task.
        """
        ...

    def examples(self, tokens: Int[Tensor, "batch seq"]) -> Examples:
        """These inputs with their true labels and concepts."""
        return Examples(tokens, self.label(tokens), self.concepts(tokens), self.answer)

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """Kinds of input that a report tells apart, each a mask; by default the classes of the answer.

        The masks of one task are disjoint and cover every example that has a single answer.
        """
        if examples.labels.ndim > 1:
            return {"all": torch.ones(len(examples), dtype=torch.bool, device=examples.tokens.device)}
        return {name: examples.labels == index for index, name in enumerate(self.classes)}

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """Which tokens `show` highlights, e.g. those that break the rule; by default none."""
        return torch.zeros_like(tokens, dtype=torch.bool)

    def show(self, tokens: Int[Tensor, "seq"]) -> Shown:
        """One input as text with its offending tokens highlighted, for a terminal and for a notebook."""
        if tokens.ndim != 1:
            raise UserError(f"show takes one input [seq], not {list(tokens.shape)}: index the batch first")
        marks = self.offending(tokens).tolist()
        shown = [
            (self.vocabulary[token], bad)
            for token, bad in zip(tokens.tolist(), marks, strict=True)
            if token != self.pad
        ]
        return Shown(tuple(shown))
