"""The flat joint test, as a sum: each node's output at an answer is that of another row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from algoscope.explanation.places import Node
from algoscope.explanation.rows import Rows
from algoscope.explanation.trial import Bench, Change
from algoscope.model.component import Component


@dataclass(frozen=True, eq=False)
class Flat:
    """What each node writes at the answers of the bench's inputs.

    Where every node's output is replaced, no attention pattern matters any more: the stream at an answer is
    a sum, and a change of one node's concept changes one term.
    """

    bench: Bench
    base: Float[Tensor, "row d_model"]
    """What is no node's: the embedding, and the biases of attention."""
    written: dict[Node, Float[Tensor, "row d_model"]]
    """Zero where a node is not at the answer."""

    def with_node(self, node: Node, written: Float[Tensor, "row d_model"]) -> Flat:
        return Flat(self.bench, self.base, {**self.written, node: written})

    def change(self) -> Change:
        """How far the answers are from the model's."""
        stream = self.base + torch.stack(list(self.written.values())).sum(0)
        return self.bench.change(self.bench.steps.model.read_out(stream, self.bench.steps.tap))

    def own(self, node: Node, rows: Rows) -> Float[Tensor, "row d_model"]:
        """What a node itself writes there."""
        return written(self.bench, node, rows, torch.arange(len(rows.identity)))

    def swapped(self, node: Node, rows: Rows, codes: Tensor, seed: int) -> Float[Tensor, "row d_model"]:
        """What it writes on other rows that agree."""
        other = rows.others(codes, Generator().manual_seed(seed))
        return written(self.bench, node, rows, other)


def written(bench: Bench, node: Node, rows: Rows, source: Tensor) -> Float[Tensor, "row d_model"]:
    """What a node writes at the answers of the bench, taken from `source` for each of its rows."""
    pool, answered = bench.pool, bench.examples.answered
    where = rows.where[: len(bench)]
    values = pool.value(node.component)
    out = values.new_zeros(*where.shape, values.shape[2])
    out[where] = values[rows.where][source[: rows.tested]]
    return _through(bench, node.component, out[answered])


def _through(bench: Bench, component: Component, values: Tensor) -> Float[Tensor, "row d_model"]:
    if component.head is None:
        return values
    found: Tensor = values @ bench.pool.model.W_O[component.layer, component.index]
    return found


def flat(bench: Bench, rows: dict[Node, Rows]) -> Flat:
    """With every node as it is."""
    model, examples = bench.pool.model, bench.examples
    base = bench.steps.embedded(examples)[examples.answered] + model.b_O.sum(0)
    empty = Flat(bench, base, {})
    return Flat(bench, base, {node: empty.own(node, each) for node, each in rows.items()})
