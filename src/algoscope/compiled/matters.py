"""What does a node compute, and what of it can matter to an answer?"""

from __future__ import annotations

from math import prod

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.compiled.codes import codes
from algoscope.compiled.graph import Node
from algoscope.compiled.placed import Placed
from algoscope.tasks.task import Examples


def computed(placed: Placed, node: Node, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
    """Which combination of classes of its variables each input has at a node; -1 where it is shorter."""
    found, result = codes(placed, tokens), torch.zeros(len(tokens), dtype=torch.long)
    for variable in node.variables:
        here = variable.classes[found[variable.expression][:, node.position]]
        result = result * len(variable.values) + here
    return result.where(_reaches(placed, node, tokens), -1)


def mattering(placed: Placed, node: Node, examples: Examples) -> Int[Tensor, "combination"]:
    """A class for each combination: two are in one if neither in place of the other changes an answer."""
    examples = examples[_reaches(placed, node, examples.tokens)]
    values, which = computed(placed, node, examples.tokens).unique(return_inverse=True)
    rows = [which == index for index in range(len(values))]
    changes = _changes(placed, node, examples, torch.stack([row.nonzero()[0, 0] for row in rows]))
    spoils = torch.stack([changes[row].any(0) for row in rows])
    apart = spoils | spoils.T
    classes: list[list[int]] = []
    for index in range(len(values)):
        home = next((each for each in classes if not apart[index, each].any()), None)
        if home is None:
            classes.append([index])
        else:
            home.append(index)
    merged = torch.arange(prod(len(variable.values) for variable in node.variables))
    for each in classes:
        merged[values[each]] = values[each[0]]
    return merged


def _reaches(placed: Placed, node: Node, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch"]:
    letters: Tensor = tokens < len(placed.lowered.program.alphabet)
    return letters.sum(1) >= node.position


def _changes(
    placed: Placed, node: Node, examples: Examples, example: Int[Tensor, "value"]
) -> Bool[Tensor, "batch value"]:
    """Whether an answer changes if a node has the value that it has on each of these examples."""
    found = codes(placed, examples.tokens)
    batch, count = len(examples), len(example)
    put = {
        (variable.expression, node.position): found[variable.expression][example, node.position].repeat(batch)
        for variable in node.variables
    }
    there = codes(placed, examples.tokens.repeat_interleave(count, 0), put)[placed.asked.expression]
    differs = there.unflatten(0, (batch, count)) != found[placed.asked.expression][:, None]
    changed: Tensor = (differs & examples.answered[:, None]).any(-1)
    return changed
