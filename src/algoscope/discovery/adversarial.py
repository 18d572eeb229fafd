"""Which inputs does the model get wrong? A seeded search, every find checked against the task's rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Task

Propose = Callable[[Int[Tensor, "batch seq"], Generator], Int[Tensor, "batch seq"]]
"""Changes each input a little, at random: the neighbours that a search looks at."""


@dataclass(frozen=True, eq=False)
class Fooled:
    """Different inputs that the model answers wrongly, the most confident mistake first."""

    tokens: Int[Tensor, "input seq"]
    labels: Int[Tensor, "input"]
    """What the task's rule says of each."""
    probability: Float[Tensor, "input"]
    """Of the wrong answer, as the model gives it."""
    tried: int
    """How many inputs the model was run on to find them."""

    def __len__(self) -> int:
        return len(self.tokens)


def wrongness(model: Transformer, task: Task, tokens: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch"]:
    """The logit of the best wrong class less that of the true one: positive where the model is fooled.

    Raises UserError for a task with several answers per input.
    """
    examples = task.examples(tokens)
    if examples.labels.ndim > 1:
        raise UserError(f"the task {task.name} has several answers per input: a search needs a single one")
    logits = answer_logits(model, examples)
    true = examples.labels.cpu()[:, None]
    return logits.scatter(1, true, -torch.inf).amax(1) - logits.gather(1, true)[:, 0]


def among(model: Transformer, task: Task, tokens: Int[Tensor, "batch seq"]) -> Fooled:
    """Those of the given inputs that the model answers wrongly."""
    return _fooled(model, task, tokens, tried=len(tokens))


def search(
    model: Transformer,
    task: Task,
    start: Int[Tensor, "walker seq"],
    propose: Propose,
    *,
    steps: int,
    neighbours: int,
    seed: int = 0,
) -> Fooled:
    """Walk from each start to ever more misleading neighbours, and keep every input that fools the model.

    In each step every walker looks at `neighbours` proposals and goes to the most misleading one, if that
    is better than where it stands; if not, it goes there all the same one time in four, so as to leave
    peaks that fool nobody. The same seed gives the same walk.
    """
    generator = torch.Generator().manual_seed(seed)
    here, height = start, wrongness(model, task, start)
    seen = [start[height > 0]]
    for _ in range(steps):
        proposed = propose(repeat(here, "walker seq -> (walker n) seq", n=neighbours), generator)
        heights = wrongness(model, task, proposed)
        seen.append(proposed[heights > 0])
        best, which = heights.view(len(here), neighbours).max(1)
        moves = (best > height) | (torch.rand(len(here), generator=generator) < 0.25)
        chosen = proposed.view(len(here), neighbours, -1)[torch.arange(len(here)), which]
        here = torch.where(moves[:, None], chosen, here)
        height = torch.where(moves, best, height)
    return _fooled(model, task, torch.cat(seen), tried=len(start) * (1 + steps * neighbours))


def token_changes(choices: Sequence[int], changes: int = 1) -> Propose:
    """Proposals that put another of the tokens `choices` at up to `changes` of the places that hold one."""
    allowed = torch.tensor(sorted(set(choices)))
    if len(allowed) < 2:
        raise UserError(f"{list(choices)} leaves nothing to change to: give at least two different tokens")

    def propose(tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        tokens = tokens.clone()
        for index in range(changes):
            places = torch.isin(tokens, allowed).double() + 1e-300
            place = torch.multinomial(places, 1, generator=generator)
            old = tokens.gather(1, place)
            step = torch.randint(1, len(allowed), old.shape, generator=generator)
            new = allowed[(torch.searchsorted(allowed, old) + step) % len(allowed)]
            # Each change after the first is made to half of the inputs, so near neighbours are seen too.
            skip = torch.rand(old.shape, generator=generator) < 0.5 if index else _never(old)
            tokens = tokens.scatter(1, place, torch.where(torch.isin(old, allowed) & ~skip, new, old))
        return tokens

    return propose


def _never(like: Tensor) -> Bool[Tensor, "batch 1"]:
    return torch.zeros_like(like, dtype=torch.bool)


def _fooled(model: Transformer, task: Task, tokens: Int[Tensor, "batch seq"], tried: int) -> Fooled:
    tokens = torch.unique(tokens, dim=0) if len(tokens) else tokens
    examples = task.examples(tokens)
    probabilities = answer_logits(model, examples).double().softmax(-1)
    wrong = probabilities.argmax(-1) != examples.labels
    probabilities = probabilities.scatter(1, examples.labels[:, None], 0).amax(1)[wrong]
    order = probabilities.argsort(descending=True, stable=True)
    return Fooled(tokens[wrong][order], examples.labels[wrong][order], probabilities[order].float(), tried)
