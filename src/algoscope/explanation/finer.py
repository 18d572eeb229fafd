"""What else should a node's table know, so that what is computed from it comes out as the model's?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from algoscope.explanation.concepts import Concept
from algoscope.explanation.lexicon import knows
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool
from algoscope.explanation.program import Carried, CodesOf
from algoscope.explanation.screen import directions
from algoscope.explanation.tables import best_fit
from algoscope.model.component import Component

GAIN = 0.02
"""A concept is added if it takes this share of what is missed of a row that is left out."""
MOST_ADDED = 3
ROWS = 10_000
"""On so many rows, at most, it is tried."""


def finer(
    pool: Pool,
    carried: Carried,
    offered: Iterable[Concept],
    sensitivity: Mapping[Component, Float[Tensor, "draw batch seq d"]],
) -> Carried:
    """The same, with what else a node's outputs tell: of what is offered, or carried by a node before it.

    No claim about the model, but a better table: added as long as it helps to say what later parts read of
    the node's output on rows of the pool that are left out. A node that carries nothing stays at its mean.
    `sensitivity` is `screen.sensitivities` of the pool.
    """
    codes = CodesOf(pool.inputs)
    found: dict[Node, Sequence[Concept]] = {}
    for node, factors in carried.items():
        before = [each for other in carried if other.component < node.component for each in carried[other]]
        sees = [
            each
            for each in dict.fromkeys([*offered, *before])
            if knows(node.component, each, pool.inputs.language.causal) and each not in factors
        ]
        read = _read(pool, node, sensitivity[node.component])
        found[node] = _finer(read, node, list(factors), sees, codes) if factors else factors
    return found


def _read(pool: Pool, node: Node, sensitivity: Float[Tensor, "draw batch seq d"]) -> Float[Tensor, "row d"]:
    """What later parts read of a node's output, at its rows."""
    where = node.place.of(pool.inputs)
    values = pool.value(node.component)[where]
    slopes = sensitivity[:, where[: sensitivity.shape[1]]].flatten(0, 1)
    return values @ directions(slopes).to(values)


def _finer(
    read: Tensor, node: Node, factors: list[Concept], offered: Sequence[Concept], codes: CodesOf
) -> list[Concept]:
    where = node.place.of(codes.inputs)
    drawn = torch.randperm(len(read), generator=Generator().manual_seed(0))[:ROWS].to(where.device)
    missed = best_fit(codes.at(factors, where)[drawn], read[drawn])[1]
    for _ in range(MOST_ADDED):
        tried = {}
        for each in offered:
            if each not in factors:
                table, left = best_fit(codes.at([*factors, each], where)[drawn], read[drawn])
                # A table with a cell for every other row holds what was seen, and nothing to go by.
                if table.size <= len(drawn) / 2:
                    tried[each] = left
        best = min(tried, key=lambda each: tried[each], default=None)
        if best is None or tried[best] > (1 - GAIN) * missed:
            break
        factors, missed = [*factors, best], tried[best]
    return factors
