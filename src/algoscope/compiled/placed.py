"""Which component computes which variable, and which directions of the residual stream hold its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.compiled.coarse import coarsest
from algoscope.compiled.language import Expression, Number, Value, tokens
from algoscope.compiled.lowered import Attend, Lowered, Table, Work, inputs
from algoscope.model.component import POSITION, TOKEN, Component, Kind
from algoscope.model.head import Head

Coarse = dict[tuple[int, ...], Value]
"""What becomes of each combination of classes that can occur."""

Kinds = dict[int, tuple[tuple[int, ...], ...]]
"""For a class of key, the classes of query that it fits: keys that fit the same are of one kind."""


@dataclass(frozen=True, eq=False)
class Variable:
    """What one component writes: a discrete variable as one of several directions, or a number along one."""

    name: str
    expression: Expression
    component: Component
    told: Mapping[Value, int]
    """The class of each value: values of one class are alike to every reader."""
    kept: Mapping[Value, int]
    """Which of `directions` each value is written along: one for each class, but for tokens, positions and
    numbers, where values are kept apart."""
    directions: tuple[int, ...]
    """Rows of `Compiled.basis`; a single one for a number."""
    work: Work

    def __str__(self) -> str:
        return f"{self.name} ({self.component})"

    @property
    def classes(self) -> Int[Tensor, "code"]:
        """The class that each value has which is kept apart: what `codes` says -> which of `values`."""
        found = torch.zeros(max(self.kept.values()) + 1, dtype=torch.long)
        for value, code in self.kept.items():
            found[code] = self.told[value]
        return found

    @property
    def is_number(self) -> bool:
        return isinstance(self.expression, Number)

    @property
    def values(self) -> tuple[tuple[Value, ...], ...]:
        """The values of each class."""
        found: list[list[Value]] = [[] for _ in range(max(self.told.values()) + 1)]
        for value, index in self.told.items():
            found[index].append(value)
        return tuple(map(tuple, found))


@dataclass(frozen=True, eq=False)
class Placed:
    """A program's variables, each at its place in a model."""

    lowered: Lowered
    variables: dict[Expression, Variable]
    """In an order in which they can be computed."""

    @property
    def words(self) -> Variable:
        """The tokens, `<bos>` among them."""
        return self.variables[tokens]

    @property
    def asked(self) -> Variable:
        """The one that the answer is read off."""
        (expression,) = self.lowered.answer.inputs
        return self.variables[expression]

    @property
    def n_directions(self) -> int:
        return sum(len(each.directions) for each in self.variables.values())

    @property
    def n_layers(self) -> int:
        return 1 + max(0, *(each.component.layer for each in self.variables.values()))

    @property
    def most_heads(self) -> int:
        """Heads in the layer that has most."""
        layers = Counter(each.component.layer for each in self.variables.values() if each.component.head)
        return max(layers.values(), default=0)

    def coarse(self, table: Table, becomes: Variable | None = None) -> Coarse:
        """A table over classes of values, as they are kept; its outcome in those of `becomes`, if given."""
        found: Coarse = {}
        for values, outcome in table.outcome.items():
            if becomes is not None:
                if outcome not in becomes.kept:
                    continue
                outcome = becomes.kept[outcome]
            classes = tuple(
                self.variables[each].kept[value] for each, value in zip(table.inputs, values, strict=True)
            )
            assert found.setdefault(classes, outcome) == outcome, "values of one class are alike to readers"
        return found

    def kinds(self, fits: Table | None) -> Kinds:
        """For each class of key that fits, the queries that it fits: `((),)` if no query is read."""
        found: Kinds = {}
        if fits is not None:
            for (key, *query), fit in sorted(self.coarse(fits).items()):
                if fit:
                    found[key] = (*found.get(key, ()), tuple(query))
        return found

    def at_bos(self, expression: Expression) -> int:
        """The class that a variable always has at `<bos>`."""
        (value,) = self.lowered.reach.values[expression][0]
        return self.variables[expression].kept[value]


def place(lowered: Lowered) -> Placed:
    """Each variable in the earliest layer in which what it is computed from is there."""
    told = coarsest(lowered)
    components: dict[Expression, Component] = {}
    heads: Counter[int] = Counter()
    variables: dict[Expression, Variable] = {}
    used = 0
    for expression, work in lowered.work.items():
        if work is None:
            component = TOKEN if expression is tokens else POSITION
        else:
            component = _earliest(work, [components[each] for each in inputs(work)], heads)
        components[expression] = component
        kept = told[expression]
        if work is None or isinstance(expression, Number):
            kept = {value: index for index, value in enumerate(lowered.reach.domain(expression))}
        size = 1 if isinstance(expression, Number) else max(kept.values()) + 1
        directions = tuple(range(used, used + size))
        used += size
        variables[expression] = Variable(
            expression.name, expression, component, told[expression], kept, directions, work
        )
    return Placed(lowered, variables)


def _earliest(work: Work, senders: list[Component], heads: Counter[int]) -> Component:
    """The first head or MLP that comes after all of these: heads of a layer read before any writes."""
    if not isinstance(work, Attend):
        return Component.mlp(max(0, *(each.layer + (each.kind is Kind.MLP) for each in senders)))
    layer = max(each.layer for each in senders) + 1
    heads[layer] += 1
    return Component.of(Head(layer, heads[layer] - 1))
