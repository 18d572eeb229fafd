"""A program as what its components will do: tables over the variables that stand in the residual stream.

Not every expression is a variable. What follows from one discrete value alone is read off that value's
directions by whoever reads it, and a sum of numbers by whoever reads the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from algoscope.compiled.language import (
    BOS,
    Aggregate,
    Constant,
    Discrete,
    Expression,
    Map,
    Mean,
    Number,
    Selector,
    Share,
    Value,
    tokens,
)
from algoscope.compiled.program import Program
from algoscope.compiled.reach import Look, Reach, ordered, reach


@dataclass(frozen=True)
class Table:
    """A function of a few variables' values, given for all that can meet."""

    inputs: tuple[Expression, ...]
    outcome: Mapping[tuple[Value, ...], Value]


@dataclass(frozen=True)
class Lookup:
    """What an MLP does: looks up a few discrete variables in a table, or one number (a sum of terms)."""

    table: Table
    terms: tuple[tuple[Expression, int], ...] = ()
    """Where a number is looked up: the variables that it is the sum of, each with a factor."""


@dataclass(frozen=True)
class Attend:
    """What a head does: at the positions whose key fits the query, reads a value."""

    fits: Table | None
    """Of a key and a query, or of a key alone; None if whatever can be seen is selected."""
    reads: Table
    look: Look
    shares: bool
    """Whether `<bos>` gets as much attention as each position that is selected, so that it can be counted."""


Work = Lookup | Attend | None
"""What computes a variable; None for tokens and positions, which are embedded."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """The variables of a program in an order in which they can be computed, and the way to each."""

    program: Program
    reach: Reach
    work: dict[Expression, Work]
    answer: Table


def inputs(work: Work) -> tuple[Expression, ...]:
    """The variables that are read."""
    match work:
        case Lookup(table=table, terms=terms):
            return tuple(term for term, _ in terms) or table.inputs
        case Attend(fits=fits, reads=reads):
            return (*(fits.inputs if fits else ()), *reads.inputs)
        case _:
            return ()


def lower(program: Program) -> Lowered:
    """The program's variables and what computes each."""
    found = reach(program)
    work: dict[Expression, Work] = {tokens: None}

    def visit(variable: Expression) -> None:
        if variable in work:
            return
        way = _work(variable, found)
        for each in inputs(way):
            visit(each)
        work[variable] = way

    answer = _table((program.answer,), lambda value: value, found, program.answers_at)
    for each in answer.inputs:
        visit(each)
    return Lowered(program, found, work, answer)


def _work(variable: Expression, found: Reach) -> Work:
    match variable:
        case Map(function=function, inputs=(Number() as number,)):
            outcome = {(value,): function(value) for value in found.domain(number)}
            return Lookup(Table((number,), outcome), number.terms)
        case Map(function=function, inputs=several):
            return Lookup(_table(several, function, found))
        case Aggregate(selector=selector, value=value):
            return _attend(selector, _table((value,), lambda value: value, found), found)
        case Mean(selector=selector, value=value):
            return _attend(selector, _table((value,), Fraction, found), found)
        case Share(selector=selector):
            outcome = {(word,): Fraction(word == BOS) for word in found.domain(tokens)}
            return _attend(selector, Table((tokens,), outcome), found, shares=True)
        case _:
            return None


def _attend(selector: Selector, reads: Table, found: Reach, shares: bool = False) -> Attend:
    look = found.looks[selector]
    if not look.missed:
        return Attend(None, reads, look, shares)
    (keys, key), (queries, query) = _view(selector.keys), _view(selector.queries)
    fits: dict[tuple[Value, ...], Value] = {
        (left, right): look.fits[key(left), query(right)]
        for left, right in product(found.domain(keys), found.domain(queries))
        if (key(left), query(right)) in look.fits
    }
    asked = {right for _, right in fits}
    alike = all(len({fits[left, right] for right in asked if (left, right) in fits}) == 1 for left, _ in fits)
    if alike:
        # The same keys fit every query, so that none need be read.
        return Attend(Table((keys,), {(left,): fit for (left, _), fit in fits.items()}), reads, look, shares)
    return Attend(Table((keys, queries), fits), reads, look, shares)


def _table(
    several: tuple[Expression, ...],
    function: Callable[..., Value],
    found: Reach,
    at: tuple[int, ...] | None = None,
) -> Table:
    """A function of expressions as one of the variables that these are read off."""
    views = [_view(each) for each in several]
    bases = tuple(dict.fromkeys(base for base, _ in views if not isinstance(base, Constant)))
    outcome = {}
    for place in range(found.program.longest + 1) if at is None else at:
        for values in product(*(ordered(found.values[base][place]) for base in bases)):
            known = dict(zip(bases, values, strict=True))
            outcome[values] = function(*(read(known.get(base)) for base, read in views))
    return Table(bases, outcome)


def _view(expression: Expression) -> tuple[Expression, Callable[[Value], Value]]:
    """The variable (or constant) that this is read off, and how."""
    if isinstance(expression, Constant):
        value = expression.value
        return expression, lambda _: value
    if isinstance(expression, Map):
        views = [_view(each) for each in expression.inputs]
        bases = {base for base, _ in views if not isinstance(base, Constant)}
        if len(bases) == 1 and isinstance(base := bases.pop(), Discrete):
            function = expression.function
            return base, lambda value: function(*(read(value) for _, read in views))
    return expression, lambda value: value
