"""From a program to a transformer that computes it, with all that is true of that transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.compiled.codes import codes
from algoscope.compiled.graph import Node, TrueGraph, true_graph
from algoscope.compiled.interpreter import run
from algoscope.compiled.lowered import lower
from algoscope.compiled.matters import computed, mattering
from algoscope.compiled.noise import Noise, hide, shuffled
from algoscope.compiled.placed import Placed, Variable, place
from algoscope.compiled.program import Program
from algoscope.compiled.task import ProgramTask
from algoscope.compiled.weights import config, write
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import right

CHECKED = 500
"""On how many inputs a new model is asked whether it answers as its program does."""
TRIED = 1000
"""On how many inputs, at most, a node's values are put in place of one another."""

Partition = Callable[[Int[Tensor, "batch seq"]], Int[Tensor, "batch"]]
"""A number for each input: which class it is in."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model that computes a program, and the truth about it."""

    program: Program
    model: Transformer
    task: ProgramTask
    variables: tuple[Variable, ...]
    """What components compute, in an order of computation."""
    graph: TrueGraph
    basis: Float[Tensor, "direction d_model"]
    """Orthonormal: the direction of the stream that each `Variable.directions` stands for."""
    placed: Placed

    def values(self, tokens: Int[Tensor, "batch seq"]) -> dict[Variable, Int[Tensor, "batch seq"]]:
        """Each variable at each position: the class of `variable.values` that it is in; -1 at `<pad>`."""
        padded = tokens == (-1 if self.task.pad is None else self.task.pad)
        found = codes(self.placed, tokens)
        return {each: each.classes[found[each.expression]].masked_fill(padded, -1) for each in self.variables}

    def computes(self, node: Node) -> Partition:
        """What a node computes: two inputs get the same number if all that is read of it is the same.

        -1 for inputs that are too short to have the node.
        """
        return partial(computed, self.placed, node)

    def matters(self, node: Node) -> Partition:
        """What of that can change an answer: the coarsest partition that `computes` can be replaced by.

        Coarser where the rest of an input says as much: that a bracket string ends below zero decides nothing
        if going below zero is seen as well. Found by putting values in each other's place, on `TRIED` inputs
        or on all if they are fewer.
        """
        tried = self.task.every_input()
        if tried is None or len(tried) > TRIED:
            tried = self.task.sample(TRIED, seed=0).tokens
        merged = mattering(self.placed, node, self.task.examples(tried))

        def partition(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
            found = self.computes(node)(tokens)
            return torch.where(found < 0, found, merged[found])

        return partition


def compile(program: Program, noise: Noise | None = None) -> Compiled:
    """The program as a model, as plain as it can be or hidden by noise.

    Raises UserError for noise so large that it changes answers, and for an aggregate that finds different
    values at the positions that it selects.

    >>> from algoscope.compiled.programs.counting import histogram
    >>> compiled = compile(histogram)
    >>> for wire in compiled.graph.wires[2:]:
    ...     print(wire)
    tokens: token embedding to the values of 0.0 at 0
    share of <bos>: 0.0 to MLP 0 at 1, 2, 3, 4, 5
    count: MLP 0 to answer at 1, 2, 3, 4, 5
    """
    placed = place(lower(program))
    task = ProgramTask(placed)
    if noise is None:
        model = Transformer(config(placed, task)).requires_grad_(False)
        write(model, placed, task)
        basis = torch.eye(model.config.d_model)
    else:
        shape = config(placed, task, noise.heads, noise.neurons, noise.width)
        placed = shuffled(placed, shape.n_heads, noise)
        model = Transformer(shape).requires_grad_(False)
        write(model, placed, task)
        basis = hide(model, placed, noise)
    _check(program, model, task, noise)
    variables = tuple(placed.variables.values())
    return Compiled(program, model, task, variables, true_graph(placed), basis, placed)


def _check(program: Program, model: Transformer, task: ProgramTask, noise: Noise | None) -> None:
    examples = task.sample(CHECKED, seed=0)
    wrong = ~right(examples.at_answers(model(examples.tokens)), examples.labels)
    if not wrong.any():
        return
    first = examples.tokens[examples.row_example[wrong][0]]
    # Raises, and says why, where the program itself has no answer.
    run(program, "".join(program.alphabet[token] for token in first if token < len(program.alphabet)))
    assert noise is not None, "plain weights compute what the interpreter does"
    count = f"{int(wrong.sum())} of {len(wrong)}"
    raise UserError(f"{count} answers of {task.name} are wrong with {noise}: give less noise")
