"""A language like RASP: expressions over a sequence that a transformer can compute, part by part.

Every input begins with `<bos>`, at position 0; letters stand at 1, 2, 3 ... An expression has a value at
every position. `<bos>` sees only itself, and no selector ever selects it: it is where a head rests that finds
nothing, and so what it reads then is what stands at `<bos>`.

The language is that of Weiss, Goldberg and Yahav, Thinking Like Transformers (2021), with `<bos>` as in
Lindner et al., Tracr (2023).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

from algoscope.errors import UserError

Value = Any
"""What an expression is at a position: a string, a number, a truth value, a tuple of these."""

BOS = "<bos>"


@dataclass(frozen=True, eq=False)
class Expression:
    """Something that has a value at every position. Two are the same only if they are one object."""

    name: str

    def named(self, name: str) -> Self:
        """The same under a name of its own, by which graphs and reports call it."""
        return replace(self, name=name)

    def __str__(self) -> str:
        return self.name


class Discrete(Expression):
    """One of a few values; in the residual stream, a direction for each value.

    Operators work position by position, with another expression or with a fixed value.
    """

    __hash__ = object.__hash__

    def __eq__(self, other: Value) -> Discrete:  # type: ignore[override]
        return _binary("==", operator.eq, self, other)

    def __ne__(self, other: Value) -> Discrete:  # type: ignore[override]
        return _binary("!=", operator.ne, self, other)

    def __lt__(self, other: Value) -> Discrete:
        return _binary("<", operator.lt, self, other)

    def __le__(self, other: Value) -> Discrete:
        return _binary("<=", operator.le, self, other)

    def __gt__(self, other: Value) -> Discrete:
        return _binary(">", operator.gt, self, other)

    def __ge__(self, other: Value) -> Discrete:
        return _binary(">=", operator.ge, self, other)

    def __add__(self, other: Value) -> Discrete:
        return _binary("+", operator.add, self, other)

    def __sub__(self, other: Value) -> Discrete:
        return _binary("-", operator.sub, self, other)

    def __rsub__(self, other: Value) -> Discrete:
        return apply(lambda value: other - value, self).named(f"({other!r} - {self})")

    def __mod__(self, other: Value) -> Discrete:
        return _binary("%", operator.mod, self, other)

    def __and__(self, other: Value) -> Discrete:
        return _binary("and", lambda left, right: left and right, self, other)

    def __or__(self, other: Value) -> Discrete:
        return _binary("or", lambda left, right: left or right, self, other)

    def __invert__(self) -> Discrete:
        return apply(operator.not_, self).named(f"not {self}")


class Number(Expression):
    """A quantity; in the residual stream, a multiple of one direction.

    Sums and differences cost nothing: what reads them reads a sum of directions.
    """

    @property
    def terms(self) -> tuple[tuple[Number, int], ...]:
        """What it is a sum of, each with its factor."""
        return ((self, 1),)

    @cached_property
    def decoded(self) -> Discrete:
        """The same as one of a few values."""
        return Map(self.name, lambda value: value, (self,))

    def __add__(self, other: Number) -> Number:
        return Sum(f"({self} + {other})", self.terms + other.terms)

    def __sub__(self, other: Number) -> Number:
        return Sum(f"({self} - {other})", self.terms + tuple((term, -times) for term, times in other.terms))

    def __lt__(self, other: Fraction | float) -> Discrete:
        return apply(lambda value: value < other, self).named(f"({self} < {other})")

    def __gt__(self, other: Fraction | float) -> Discrete:
        return apply(lambda value: value > other, self).named(f"({self} > {other})")


@dataclass(frozen=True, eq=False)
class Tokens(Discrete):
    """The letter at each position."""


@dataclass(frozen=True, eq=False)
class Positions(Discrete):
    """The number of each position."""


@dataclass(frozen=True, eq=False)
class Constant(Discrete):
    """The same value everywhere."""

    value: Value


@dataclass(frozen=True, eq=False)
class Map(Discrete):
    """A function of what stands at each position: of several discrete values, or of one number."""

    function: Callable[..., Value]
    inputs: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Vote(Map):
    """What more than half of its inputs say, which are all the same in every input of a program."""

    @property
    def enough(self) -> int:
        """So many inputs as make a majority, whatever the others say."""
        return len(self.inputs) // 2 + 1


@dataclass(frozen=True, eq=False)
class Selector:
    """Which positions each position looks at: those whose key fits its query."""

    keys: Discrete
    queries: Discrete
    fits: Callable[[Value, Value], bool]


@dataclass(frozen=True, eq=False)
class Aggregate(Discrete):
    """The value at the selected positions, which is the same at all of them."""

    selector: Selector
    value: Discrete


@dataclass(frozen=True, eq=False)
class Mean(Number):
    """The mean of a discrete value, taken as a number, over the selected positions."""

    selector: Selector
    value: Discrete


@dataclass(frozen=True, eq=False)
class Share(Number):
    """1 / (n + 1) where n positions are selected: the attention that `<bos>` gets if it shares evenly."""

    selector: Selector


@dataclass(frozen=True, eq=False)
class Sum(Number):
    """A sum of numbers, each times a whole number."""

    parts: tuple[tuple[Number, int], ...]

    @property
    def terms(self) -> tuple[tuple[Number, int], ...]:
        return self.parts


tokens = Tokens("tokens")
positions = Positions("positions")


def apply(function: Callable[..., Value], *inputs: Expression) -> Discrete:
    """The function's value at each position; of several inputs, numbers are first decoded.

    It must have a value for whatever the inputs are at one position, at `<bos>` too.
    """
    if len(inputs) > 1:
        inputs = tuple(each.decoded if isinstance(each, Number) else each for each in inputs)
    return Map(f"{function.__name__}({', '.join(map(str, inputs))})", function, inputs)


def vote(*several: Discrete) -> Discrete:
    """What more than half of these say, which are one quantity, computed several times over.

    No single one of them is needed. Raises UserError for an even number, or less than three.
    """
    if len(several) < 3 or len(several) % 2 == 0:
        raise UserError(f"a vote of {len(several)}: give 3 expressions, 5, or 7 ...")
    return Vote(f"vote({', '.join(map(str, several))})", _most, several)


def choose(condition: Discrete, then: Discrete | Value, otherwise: Discrete | Value) -> Discrete:
    """`then` where the condition holds, else `otherwise`."""
    inputs = (condition, _expression(then), _expression(otherwise))
    return Map(f"({then} if {condition} else {otherwise})", lambda yes, a, b: a if yes else b, inputs)


def select(keys: Discrete, queries: Discrete | Value, fits: Callable[[Value, Value], bool]) -> Selector:
    """For each position, the positions with `fits(key, query)`: `select(tokens, "a", operator.eq)`."""
    return Selector(keys, _expression(queries), fits)


def marked(condition: Discrete) -> Selector:
    """For each position, the positions at which a condition holds."""
    return select(condition, True, operator.eq)


def aggregate(selector: Selector, value: Discrete) -> Discrete:
    """The value at the selected positions, or at `<bos>` if none is. They must not differ in it."""
    return Aggregate(f"aggregate({value})", selector, value)


def mean(selector: Selector, value: Discrete) -> Number:
    """The mean of numbers (or truth values) over the selected positions; what `<bos>` has if none is."""
    return Mean(f"mean({value})", selector, value)


def width(selector: Selector) -> Discrete:
    """How many positions are selected."""
    share = Share("share of <bos>", selector)
    return apply(lambda value: int(1 / value) - 1, share).named("width")


def _most(*said: Value) -> Value:
    """What more than half say. A tie is broken for no one: it would make one voter count for two."""
    winner = max(said, key=said.count)
    return winner if 2 * said.count(winner) > len(said) else "no majority"


def _expression(value: Discrete | Value) -> Discrete:
    """Itself, or a fixed value as an expression."""
    return value if isinstance(value, Discrete) else Constant(repr(value), value)


def _binary(symbol: str, function: Callable[..., Value], left: Discrete, right: Discrete | Value) -> Discrete:
    if isinstance(right, Expression):
        return apply(function, left, right).named(f"({left} {symbol} {right})")
    return apply(lambda value: function(value, right), left).named(f"({left} {symbol} {right!r})")


everything = select(positions, positions, lambda key, query: True)
"""Every position, or in a causal program every one up to here."""
