"""What a task is, and the examples it gives: tokens, labels, and what is true of each input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.tasks.answers import check_labels
from algoscope.tasks.display import Shown

MOST_KINDS = 12
"""Classes up to which a report tells inputs apart by the class of their answer."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs of a task with their labels and concepts: facts about the inputs, not about a model.

    A *row* is one answer: an example and a position at which it is answered, example by example and from
    left to right. With one answer to each input, rows are examples.
    """

    tokens: Int[Tensor, "batch seq"]
    labels: Int[Tensor, "row"] | Bool[Tensor, "row class"]
    """The true class of each answer, or, where an answer is a set, whether each class belongs to it."""
    concepts: Mapping[str, Tensor]
    """Name -> `[batch]` for a fact about the whole input, `[batch seq]` for one about each position."""
    answered: Bool[Tensor, "batch seq"]
    """Where answers are read: any number of places, which may differ from input to input."""
    position_ids: Int[Tensor, "batch seq"] | None = None
    """Which position embedding each place gets; None for 0, 1, 2 ... in every input."""

    def __post_init__(self) -> None:
        for name, value in {"answered": self.answered, **self.concepts}.items():
            if len(value) != len(self.tokens):
                raise UserError(
                    f"{name} has {len(value)} rows for {len(self.tokens)} inputs: give one row each"
                )
        if len(self.labels) != int(self.answered.sum()):
            raise UserError(
                f"labels has {len(self.labels)} rows for {int(self.answered.sum())} answers: give one each"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def sets(self) -> bool:
        """Whether an answer is a set of classes, each its own yes or no."""
        return self.labels.dtype == torch.bool

    @cached_property
    def row_example(self) -> Int[Tensor, "row"]:
        """Which example each row belongs to."""
        return self.answered.nonzero()[:, 0]

    @cached_property
    def row_position(self) -> Int[Tensor, "row"]:
        """At which position each row is answered."""
        return self.answered.nonzero()[:, 1]

    @cached_property
    def row_number(self) -> Int[Tensor, "row"]:
        """Which of its example's answers each row is, from 0."""
        return (self.answered.cumsum(1) - 1)[self.answered]

    @cached_property
    def answer_positions(self) -> Int[Tensor, "position"]:
        """Every position at which some example is answered, in order."""
        return self.answered.any(0).nonzero()[:, 0]

    def at_answers(self, values: Shaped[Tensor, "batch seq *rest"]) -> Shaped[Tensor, "row *rest"]:
        """What stands at the answers, a row each, of something that stands at every position."""
        return values[self.answered.to(values.device)]

    def __getitem__(self, rows: slice | Tensor | Sequence[int]) -> Examples:
        """The examples at these rows of the batch: a slice, a boolean mask `[batch]`, or indices."""
        if not isinstance(rows, slice):
            rows = torch.as_tensor(rows, device=self.tokens.device)
            if rows.ndim == 0:
                raise TypeError(f"examples[{rows}] is one row: write examples[row : row + 1] for row {rows}")
            # torch takes an empty list for floats, which can't index.
            rows = rows if len(rows) else rows.long()
        answered = self.answered[rows]
        if int(self.answered.sum()) == len(self) == int(self.answered.any(1).sum()):
            labels = self.labels[rows]
        else:
            number = torch.zeros_like(self.answered, dtype=torch.long)
            number[self.answered] = torch.arange(len(self.labels), device=number.device)
            labels = self.labels[number[rows][answered]]
        return Examples(
            self.tokens[rows],
            labels,
            {name: value[rows] for name, value in self.concepts.items()},
            answered,
            None if self.position_ids is None else self.position_ids[rows],
        )

    def batches(self, size: int) -> Iterator[Examples]:
        """Successive parts of at most `size` examples, in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on another device."""
        return Examples(
            self.tokens.to(device),
            self.labels.to(device),
            {name: value.to(device) for name, value in self.concepts.items()},
            self.answered.to(device),
            None if self.position_ids is None else self.position_ids.to(device),
        )


@runtime_checkable
class Task(Protocol):
    """A question about token sequences whose answer is known by rule.

    Write your own as a class that inherits from this one, sets the attributes, and defines `sample`,
    `label`, `concepts` and `encode`; the other methods then come with it, and each may be replaced. The
    command line takes it as `--task path/to/file.py:ClassName`.
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
    """Where the answer is read, if that is the same in every input; else define `answered`."""
    usual: Mapping[str, str | int | float | bool | None]
    """Settings that models of this task usually have and that bare weights don't record, e.g. `act_fn`."""
    asks: str = ""
    """The task's question in one line, for a list of tasks."""
    story: object = None
    """A published text about models of this task, as an `algoscope.stories.story.Story`; None for none."""

    def sample(self, n: int, seed: int) -> Examples:
        """`n` examples, the same ones for the same seed, on the CPU."""
        ...

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Tensor:
        """The truth at every answer.

        Integers for a class: `[batch]`, `[batch answer]` where every input has as many, or `[batch seq]`, of
        which the answered places count. Booleans with a last axis over classes where an answer is a set.
        """
        ...

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """What is true of each input: name -> `[batch]` or `[batch seq]`."""
        ...

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of inputs as a person writes them (strings, lists of numbers).

        Raises UserError, with the first offending input, for what is no input of the task.
        """
        ...

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """Where each input is answered; by default at `answer`."""
        mask = torch.zeros_like(tokens, dtype=torch.bool)
        mask[:, self.answer] = True
        return mask

    def examples(
        self, tokens: Int[Tensor, "batch seq"], position_ids: Int[Tensor, "batch seq"] | None = None
    ) -> Examples:
        """These inputs with their true labels and concepts. Raises UserError for a label that is no class."""
        answered = self.answered(tokens)
        labels = by_row(self.label(tokens), answered)
        check_labels(labels, len(self.classes))
        return Examples(tokens, labels, self.concepts(tokens), answered, position_ids)

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """Kinds of input that a report tells apart, each a mask; by default the classes of a single answer.

        The masks of one task are disjoint and cover every example.
        """
        single = len(examples.labels) == len(examples) and not examples.sets
        if not single or len(self.classes) > MOST_KINDS:
            return {"all": torch.ones(len(examples), dtype=torch.bool, device=examples.tokens.device)}
        return {name: examples.labels == index for index, name in enumerate(self.classes)}

    def quantities(self, examples: Examples) -> dict[str, Float[Tensor, "batch *seq"]]:
        """Numbers that heads and neurons may track: name -> `[batch]` or `[batch seq]`.

        By default the concepts.
        """
        return {name: value.double() for name, value in examples.concepts.items()}

    def contrasts(self, n: int, seed: int) -> tuple[Examples, Examples]:
        """Up to `n` pairs of inputs, row by row, that differ in little and are answered differently.

        Positions line up: both of a pair are as long, and answered at the same places. By default a sample's
        inputs, each with its neighbour if that is answered differently; without `neighbours`, each with the
        next of the sample that fits.
        """
        pool = self.sample(4 * n, seed)
        changed = self.neighbours(pool.tokens, Generator().manual_seed(seed))
        if changed is None:
            first, second = _partners(pool, self.pad)
            return pool[first[:n]], pool[second[:n]]
        others = self.examples(changed)
        rows = _contrasting(pool, others, self.pad)[:n]
        return pool[rows], others[rows]

    def neighbours(
        self, tokens: Int[Tensor, "batch seq"], generator: Generator
    ) -> Int[Tensor, "batch seq"] | None:
        """Each input changed a little, at random, into another input of the task: what a search looks at.

        By default None: this task does not say which small changes leave an input of its own.
        """
        return None

    def offending(self, tokens: Int[Tensor, "seq"]) -> Bool[Tensor, "seq"]:
        """Which tokens `show` highlights, e.g. those that break the rule; by default none."""
        return torch.zeros_like(tokens, dtype=torch.bool)

    def words(self, tokens: Int[Tensor, "seq"]) -> list[str]:
        """What each token is called, padding included."""
        return [self.vocabulary[token] for token in tokens.tolist()]

    def decode(self, tokens: Int[Tensor, "batch seq"]) -> list[str]:
        """Each input as text, without padding."""
        return [self.show(row).plain for row in tokens]

    def show(self, tokens: Int[Tensor, "seq"], probability: float | None = None) -> Shown:
        """One input as text with its offending tokens highlighted, for a terminal and for a notebook.

        `probability` is written behind it: how sure a model is of something that you say beside it.
        """
        if tokens.ndim != 1:
            raise UserError(f"show takes one input [seq], not {list(tokens.shape)}: index the batch first")
        marks = self.offending(tokens).tolist()
        shown = [
            (word, bad)
            for token, word, bad in zip(tokens.tolist(), self.words(tokens), marks, strict=True)
            if token != self.pad
        ]
        return Shown(tuple(shown), "" if probability is None else f"{probability:.4f}")


def by_row(labels: Tensor, answered: Bool[Tensor, "batch seq"]) -> Tensor:
    """Labels of any shape that `Task.label` may give, with a row for each answer."""
    lead = labels.shape[:-1] if labels.dtype == torch.bool else labels.shape
    if lead == answered.shape:
        return labels[answered]
    if lead == (len(answered),) and bool((answered.sum(1) == 1).all()):
        return labels
    if len(lead) == 2 and lead[0] == len(answered) and bool((answered.sum(1) == lead[1]).all()):
        return labels.flatten(0, 1)
    counts = sorted(set(answered.sum(1).tolist()))
    raise UserError(
        f"labels are {labels.dtype} {list(labels.shape)} for inputs {list(answered.shape)} with "
        f"{' or '.join(map(str, counts[:3]))} answers each: give int64 [batch seq] (or [batch], or "
        "[batch answer]), with a last axis over classes, and bool, where an answer is a set"
    )


def _contrasting(examples: Examples, others: Examples, pad: int | None) -> Int[Tensor, "pair"]:
    """Rows of the batch in which both have one length and one set of answered places, and other labels."""
    aligned = (examples.answered == others.answered).all(1)
    if pad is not None:
        aligned &= ((examples.tokens == pad) == (others.tokens == pad)).all(1)
    rows = aligned.nonzero()[:, 0]
    left, right = examples[rows], others[rows]
    differs = (left.labels != right.labels).reshape(len(left.labels), -1).any(1)
    return rows[left.row_example[differs].unique()]


def _partners(pool: Examples, pad: int | None) -> tuple[list[int], list[int]]:
    """Pairs of examples of one length and one set of answered places whose labels differ."""
    waiting: dict[tuple[object, ...], list[int]] = {}
    labels: list[list[object]] = [[] for _ in range(len(pool))]
    for example, label in zip(pool.row_example.tolist(), pool.labels.tolist(), strict=True):
        labels[example].append(label)
    lengths = pool.tokens.shape[1] if pad is None else (pool.tokens != pad).sum(1)
    length = lengths.tolist() if isinstance(lengths, Tensor) else [lengths] * len(pool)
    first, second = [], []
    for example, places in enumerate(pool.answered.tolist()):
        others = waiting.setdefault((length[example], *places), [])
        match = next((other for other in others if labels[other] != labels[example]), None)
        if match is None:
            others.append(example)
        else:
            others.remove(match)
            first.append(match)
            second.append(example)
    return first, second
