"""Which inputs does the model get wrong? A seeded search, every find checked against the task's rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float, Int
from torch import Generator, Tensor

from algoscope.analysis.accuracy import all_right, answer_logits
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import margin, right
from algoscope.tasks.task import Examples, Task

Propose = Callable[[Int[Tensor, "batch seq"], Generator], Tensor | None]
"""Changes each input a little, at random, as a task's `neighbours` do; None if the task knows no changes."""

WANDERS = 0.25
"""How often a walker leaves its place for a worse one: peaks that fool nobody are left that way."""


@dataclass(frozen=True, eq=False)
class Fooled:
    """Different inputs of which the model gets an answer wrong, the most confident mistake first."""

    examples: Examples
    probability: Float[Tensor, "input"]
    """Of the wrong answer that the model is surest of: a class other than the true one; of a set, that a
    class belongs to it which does not, or the reverse."""
    tried: int
    """How many inputs the model was run on to find them."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def tokens(self) -> Int[Tensor, "input seq"]:
        return self.examples.tokens


def smallest_margin(logits: Float[Tensor, "row class"], examples: Examples) -> Float[Tensor, "batch"]:
    """How clearly each input has all its answers right, in logits: negative where one is wrong."""
    margins = margin(logits, examples.labels.cpu())
    lowest = torch.full((len(examples),), torch.inf, dtype=margins.dtype)
    return lowest.scatter_reduce(0, examples.row_example.cpu(), margins, "amin")


def among(model: Transformer, examples: Examples) -> Fooled:
    """Those of the given inputs that the model answers wrongly."""
    return fooled(answer_logits(model, examples), examples, tried=len(examples))


def fooled(logits: Float[Tensor, "row class"], examples: Examples, tried: int) -> Fooled:
    """The inputs that these answers to them are wrong about, each once."""
    wrong = ~all_right(right(logits, examples.labels.cpu()), examples)
    first = torch.tensor(list(_first_of_each(examples, wrong).values()), dtype=torch.long)
    sure = _surest_mistake(logits, examples)[first]
    order = sure.argsort(descending=True, stable=True)
    return Fooled(examples[first[order]], sure[order].float(), tried)


def search(
    model: Transformer,
    task: Task,
    start: Examples,
    propose: Propose,
    *,
    steps: int,
    neighbours: int,
    seed: int = 0,
) -> Fooled:
    """Walk from each start to ever more misleading neighbours, and keep every input that fools the model.

    In each step every walker looks at `neighbours` proposals and goes to the one with the smallest margin, if
    that is smaller than where it stands; if not, it goes there all the same one time in four. The same seed
    gives the same walk. Raises UserError if nothing is proposed.
    """
    generator = torch.Generator().manual_seed(seed)
    here, height = start, smallest_margin(answer_logits(model, start), start)
    found = [start[height <= 0]]
    for _ in range(steps):
        proposed = _proposed(task, here, propose, neighbours, generator)
        heights = smallest_margin(answer_logits(model, proposed), proposed)
        found.append(proposed[heights <= 0])
        best, which = heights.view(len(here), neighbours).min(1)
        wanders = torch.rand(len(here), generator=generator) < WANDERS
        moves = (best < height) | wanders
        chosen = proposed[torch.arange(len(here)) * neighbours + which]
        tokens = torch.where(moves[:, None], chosen.tokens, here.tokens)
        here, height = task.examples(tokens, here.position_ids), torch.where(moves, best, height)
    every = _joined(task, found)
    return fooled(answer_logits(model, every), every, tried=len(start) * (1 + steps * neighbours))


def _proposed(task: Task, here: Examples, propose: Propose, count: int, generator: Generator) -> Examples:
    tokens = propose(repeat(here.tokens, "walker seq -> (walker n) seq", n=count), generator)
    if tokens is None:
        raise UserError(f"the task {task.name} proposes no neighbours: define `neighbours` in it to search")
    ids = here.position_ids
    return task.examples(
        tokens, None if ids is None else repeat(ids, "walker seq -> (walker n) seq", n=count)
    )


def _joined(task: Task, parts: list[Examples]) -> Examples:
    ids = [part.position_ids for part in parts if part.position_ids is not None]
    return task.examples(torch.cat([part.tokens for part in parts]), torch.cat(ids) if ids else None)


def _first_of_each(examples: Examples, chosen: Tensor) -> dict[tuple[int, ...], int]:
    """The first of the chosen examples with each sequence of tokens."""
    found: dict[tuple[int, ...], int] = {}
    for row in chosen.nonzero()[:, 0].tolist():
        found.setdefault(tuple(examples.tokens[row].tolist()), row)
    return found


def _surest_mistake(logits: Float[Tensor, "row class"], examples: Examples) -> Float[Tensor, "batch"]:
    """The highest probability of a wrong answer, over each input's answers."""
    labels = examples.labels.cpu()
    if examples.sets:
        wrong = torch.where(labels, -logits, logits).double().sigmoid()
    else:
        wrong = logits.double().softmax(-1).scatter(1, labels[:, None], 0)
    highest = torch.zeros(len(examples), dtype=torch.double)
    return highest.scatter_reduce(0, examples.row_example.cpu(), wrong.amax(1), "amax")
