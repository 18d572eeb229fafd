"""What might a neuron or a head keep track of? Facts about every place of an input, for any task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from algoscope.tasks.task import Examples, Task

Codes = Int[Tensor, "batch seq"]
"""A small number at each place: places with the same number are alike."""

BINS = 32
"""Values beyond so many are put into as many bins that hold equally many places."""
SMALL = 16
"""Tokens are counted where the vocabulary has up to so many."""


def quantities(task: Task, examples: Examples, causal: bool) -> dict[str, Codes]:
    """What could be tracked, name -> codes: the task's own quantities first, then what any task has.

    Those are the answer, the token here and the one before, the position, and, in small vocabularies, how
    many of each token there are so far, from here on (unless attention is causal) and in all, and which
    share of the tokens that is. Tokens that every input has as often, such as a start, are not counted.
    """
    found = {name: _coded(_spread_out(value, examples)) for name, value in task.quantities(examples).items()}
    found["the answer"] = _answers(examples)
    found["the token here"] = examples.tokens
    found["the token before"] = torch.cat([examples.tokens[:, :1], examples.tokens[:, :-1]], 1)
    found["the position"] = _positions(examples)
    if len(task.vocabulary) <= SMALL:
        for name, value in _counts(task, examples, causal):
            found.setdefault(name, _coded(value))
    return {name: codes for name, codes in found.items() if bool((codes != codes[0, 0]).any())}


def _spread_out(value: Tensor, examples: Examples) -> Shaped[Tensor, "batch seq"]:
    """A fact about the whole input is one about each of its places."""
    return value if value.ndim == 2 else value[:, None].expand(examples.tokens.shape)


def _coded(value: Shaped[Tensor, "batch seq"]) -> Codes:
    numbers = value.double().contiguous()
    values, codes = numbers.unique(return_inverse=True)
    if len(values) > BINS:
        ordered = numbers.flatten().sort()[0]
        edges = ordered[:: -(-len(ordered) // BINS)][1:].contiguous()
        codes = torch.bucketize(numbers, edges, right=True)
    return torch.as_tensor(codes)


def _answers(examples: Examples) -> Codes:
    """The class or set at each answer; where inputs have one answer, everywhere in the input."""
    kinds = examples.labels.unique(dim=0, return_inverse=True)[1]
    if bool((examples.answered.sum(1) == 1).all()):
        return _spread_out(kinds, examples)
    codes = torch.zeros_like(examples.tokens)
    codes[examples.answered] = kinds + 1
    return codes


def _positions(examples: Examples) -> Codes:
    if examples.position_ids is not None:
        return examples.position_ids
    return torch.arange(examples.tokens.shape[1]).expand(examples.tokens.shape)


def _counts(task: Task, examples: Examples, causal: bool) -> Iterator[tuple[str, Tensor]]:
    """How many of each token there are, and which share of all that are counted."""
    each = {token: examples.tokens == token for token in range(len(task.vocabulary)) if token != task.pad}
    varies = {token: here for token, here in each.items() if len(here.sum(1).unique()) > 1}
    if not varies:
        return
    total = _ways(torch.stack(list(varies.values())).any(0), causal)
    # Of two tokens, one's share says the other's.
    shared = list(varies)[: 1 if len(varies) == 2 else None]
    for token, here in varies.items():
        for way, count in _ways(here, causal).items():
            yield f"how many “{task.vocabulary[token]}” {way}", count
            if token in shared:
                yield f"share of “{task.vocabulary[token]}” {way}", count / total[way].clamp(min=1)


def _ways(here: Tensor, causal: bool) -> Mapping[str, Int[Tensor, "batch seq"]]:
    """The number of marked places up to each place, from it on, and in all."""
    so_far, everywhere = here.long().cumsum(1), here.sum(1, keepdim=True).expand(here.shape)
    ways = {"so far": so_far, "in all": everywhere}
    return ways if causal else ways | {"from here on": everywhere - so_far + here.long()}
