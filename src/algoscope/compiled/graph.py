"""The true circuit of a compiled model: which wire carries which variable, and where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

from algoscope.compiled.language import Expression, Vote
from algoscope.compiled.lowered import Attend, Lookup
from algoscope.compiled.placed import Placed, Variable
from algoscope.model.component import ANSWER, Component, Input


@dataclass(frozen=True)
class Wire:
    """A variable on its way from what writes it to an input that reads it."""

    sender: Component
    receiver: Component
    input: Input
    variable: Variable
    positions: tuple[int, ...]
    """Where it is read: positions of queries for `q`, of keys for `k` and `v`."""
    varies: bool
    """Whether it differs between inputs at one of these positions. If not, swapping inputs shows nothing."""

    def __str__(self) -> str:
        places = ", ".join(map(str, self.positions))
        return f"{self.variable.name}: {self.sender} to {self.receiver.by(self.input)} at {places}"


@dataclass(frozen=True)
class Node:
    """A component at a position, with what it computes there that is read."""

    component: Component
    position: int
    variables: tuple[Variable, ...]
    """In general one; an MLP may compute several."""


@dataclass(frozen=True)
class TrueGraph:
    """Every wire and every node of a compiled model that its answers depend on, in order; no others."""

    wires: tuple[Wire, ...]
    ways: tuple[tuple[Wire, ...], ...]
    """Of these wires, each set that is enough to answer and of which none can be left out: all of them, but
    for programs that vote."""

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every component at every position at which something of it is read."""
        found: dict[tuple[Component, int], dict[Variable, None]] = defaultdict(dict)
        for wire in self.wires:
            for position in wire.positions:
                found[wire.sender, position][wire.variable] = None
        return tuple(Node(*where, tuple(found[where])) for where in sorted(found))

    @property
    def edges(self) -> frozenset[tuple[Component, Component, Input]]:
        """The edges, positions aside, that carry what differs between inputs."""
        return frozenset((wire.sender, wire.receiver, wire.input) for wire in self.wires if wire.varies)


def true_graph(placed: Placed) -> TrueGraph:
    """From the answer back: what is read where, and so what has to be computed where."""
    ways = (_wires(placed, dict(heard)) for heard in product(*_majorities(placed)))
    return TrueGraph(_wires(placed, {}), tuple(dict.fromkeys(ways)))


Heard = Mapping[Expression, tuple[Expression, ...]]
"""Of votes, those inputs that are listened to; where a vote is not listed, all."""


def _majorities(placed: Placed) -> list[list[tuple[Expression, tuple[Expression, ...]]]]:
    """For each vote, with itself, every set of inputs that is just enough to decide it."""
    return [
        [(vote, heard) for heard in combinations(variable.work.table.inputs, vote.enough)]
        for vote, variable in placed.variables.items()
        # Of inputs that are read off fewer variables, none is known not to count twice.
        if isinstance(vote, Vote)
        and isinstance(variable.work, Lookup)
        and len(variable.work.table.inputs) == len(vote.inputs)
    ]


def _wires(placed: Placed, heard: Heard) -> tuple[Wire, ...]:
    read = _Read(placed, heard)
    read.wire(placed.asked.expression, ANSWER, "in", set(placed.lowered.program.answers_at))
    for expression, variable in reversed(placed.variables.items()):
        if needed := read.needed[expression]:
            read.inputs_of(variable, needed)
    wires = [
        Wire(placed.variables[each].component, receiver, letter, placed.variables[each],
             tuple(sorted(at)), read.varies(each, at))
        for (each, receiver, letter), at in read.found.items()
    ]  # fmt: skip
    return tuple(sorted(wires, key=lambda wire: (wire.receiver, wire.input, wire.sender)))


class _Read:
    """What has been found to be read so far."""

    def __init__(self, placed: Placed, heard: Heard) -> None:
        self.placed, self.heard = placed, heard
        self.found: dict[tuple[Expression, Component, Input], set[int]] = defaultdict(set)
        self.needed: dict[Expression, set[int]] = defaultdict(set)

    def wire(self, each: Expression, receiver: Component, letter: Input, at: set[int]) -> None:
        if at:
            self.found[each, receiver, letter] |= at
            self.needed[each] |= at

    def varies(self, each: Expression, at: set[int]) -> bool:
        """Whether the variable can be told apart from itself on another input, at one of these positions."""
        told, values = self.placed.variables[each].told, self.placed.lowered.reach.values[each]
        return any(len({told[value] for value in values[position]}) > 1 for position in at)

    def inputs_of(self, variable: Variable, needed: set[int]) -> None:
        """The wires into what computes a variable that is needed at these positions."""
        match variable.work:
            case Lookup(table=table, terms=terms):
                read = self.heard.get(variable.expression, table.inputs)
                for each in [term for term, _ in terms] or read:
                    self.wire(each, variable.component, "in", needed)
            case Attend() as head:
                self._inputs_of_head(head, variable.component, needed)

    def _inputs_of_head(self, head: Attend, component: Component, needed: set[int]) -> None:
        chosen = {key for query, key in head.look.selected if query in needed}
        rests = {0} if head.look.rests & needed else set()
        if head.fits is not None:
            key, *query = head.fits.inputs
            # A key that would fit at <bos> is taken off there by the token <bos>, lest it be selected.
            taken_off = {0} if self.placed.at_bos(key) in self.placed.kinds(head.fits) else set()
            self.wire(key, component, "k", chosen | taken_off)
            for each in query:
                self.wire(each, component, "q", needed - {0})
        self.wire(self.placed.words.expression, component, "k", {0})
        if 0 in needed and not self.placed.lowered.program.causal:
            self.wire(self.placed.words.expression, component, "q", {0})
        (read,) = head.reads.inputs
        self.wire(read, component, "v", {0} if head.shares else chosen | rests)
