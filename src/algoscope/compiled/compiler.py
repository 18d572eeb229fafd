"""From a program to a transformer that computes it, with all that is true of that transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.compiled.codes import codes
from algoscope.compiled.graph import Node, TrueGraph, true_graph
from algoscope.compiled.lowered import lower
from algoscope.compiled.noise import Noise, hide, shuffled
from algoscope.compiled.placed import Placed, Variable, place
from algoscope.compiled.program import Program
from algoscope.compiled.task import ProgramTask
from algoscope.compiled.weights import config, write
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import right

CHECKED = 500
"""On how many inputs a model with noise is asked whether it still answers as the program does."""


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
        padded = tokens == self.task.pad if self.task.pad is not None else torch.zeros_like(tokens).bool()
        found = codes(self.placed, tokens)
        result = {}
        for each in self.variables:
            told = torch.zeros(max(each.kept.values()) + 1, dtype=torch.long)
            for value, code in each.kept.items():
                told[code] = each.told[value]
            result[each] = told[found[each.expression]].masked_fill(padded, -1)
        return result

    def concept(self, node: Node) -> Callable[[Int[Tensor, "batch seq"]], Int[Tensor, "batch"]]:
        """What a node computes: two inputs get the same number if all that is read of it is the same."""

        def partition(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
            values, result = self.values(tokens), torch.zeros(len(tokens), dtype=torch.long)
            for variable in node.variables:
                result = result * (len(variable.values) + 1) + values[variable][:, node.position] + 1
            return result

        return partition


def compile(program: Program, noise: Noise | None = None) -> Compiled:
    """The program as a model, as plain as it can be or hidden by noise.

    Raises UserError if the noise is so large that it changes answers.

    >>> from algoscope.compiled.programs.counting import histogram
    >>> compiled = compile(histogram)
    >>> for wire in compiled.graph.wires:
    ...     print(wire)
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
        _check(model, task, noise)
    variables = tuple(placed.variables.values())
    return Compiled(program, model, task, variables, true_graph(placed), basis, placed)


def _check(model: Transformer, task: ProgramTask, noise: Noise) -> None:
    examples = task.sample(CHECKED, seed=noise.seed)
    wrong = ~right(examples.at_answers(model(examples.tokens)), examples.labels)
    if wrong.any():
        raise UserError(
            f"{int(wrong.sum())} of {len(wrong)} answers of {task.name} are wrong with {noise}: give less noise"
        )
