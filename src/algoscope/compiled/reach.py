"""What each expression of a program can be at each position, and where each selector can look.

No more than can be seen without running the program: a value that is listed may still never occur.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from operator import mul

from algoscope.compiled.language import (
    BOS,
    Aggregate,
    Constant,
    Expression,
    Map,
    Mean,
    Positions,
    Selector,
    Share,
    Sum,
    Tokens,
    Value,
    tokens,
)
from algoscope.compiled.program import Program


@dataclass(eq=False)
class Look:
    """Where a selector looks, over all inputs."""

    selected: set[tuple[int, int]] = field(default_factory=set)
    """(query, key): positions of which the second can be selected by the first."""
    missed: set[tuple[int, int]] = field(default_factory=set)
    """(query, key): positions of which the second can be seen, and not be selected, by the first."""
    rests: set[int] = field(default_factory=set)
    """Positions at which nothing may be selected."""
    fits: dict[tuple[Value, Value], bool] = field(default_factory=dict)
    """Whether a key (first) fits a query, for all that meet."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What can be, position by position, over all inputs of a program."""

    program: Program
    values: dict[Expression, list[set[Value]]]
    looks: dict[Selector, Look]

    def domain(self, expression: Expression) -> tuple[Value, ...]:
        """Every value that it can have at some position, in order."""
        return ordered(set().union(*self.values[expression]))


def ordered(values: set[Value]) -> tuple[Value, ...]:
    """Values in an order of their own: that of a set of strings differs from one process to the next."""
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))


def reach(program: Program) -> Reach:
    """What can be at each position, the union over the lengths that inputs may have."""
    found = Reach(program, {}, defaultdict(Look))
    for length in program.lengths:
        # Every head knows <bos> by its token, so the tokens are there even if nothing asks for letters.
        for expression in (tokens, program.answer):
            _Length(found, length).values(expression)
    return found


@dataclass(frozen=True, eq=False)
class _Length:
    """What can be in inputs of one length."""

    whole: Reach
    length: int
    done: dict[Expression, list[set[Value]]] = field(default_factory=dict)

    def values(self, expression: Expression) -> list[set[Value]]:
        """What the expression can be at 0, 1 ... `length`; adds it to the whole."""
        if expression not in self.done:
            self.done[expression] = self._values(expression)
            everywhere = self.whole.values.setdefault(
                expression, [set() for _ in range(self.whole.program.longest + 1)]
            )
            for here, new in zip(everywhere, self.done[expression], strict=False):
                here |= new
        return self.done[expression]

    def _values(self, expression: Expression) -> list[set[Value]]:
        places = range(self.length + 1)
        match expression:
            case Tokens():
                return [{BOS}, *(set(self.whole.program.alphabet) for _ in places[1:])]
            case Positions():
                return [{place} for place in places]
            case Constant(value=value):
                return [{value} for _ in places]
            case Map(function=function, inputs=inputs):
                read = [self.values(each) for each in inputs]
                return [{function(*each) for each in product(*(here[at] for here in read))} for at in places]
            case Share(selector=selector):
                counts = ((len(always), len(able)) for always, able in self.selected(selector))
                return [{Fraction(1, n + 1) for n in range(low, high + 1)} for low, high in counts]
            case Sum(parts=parts):
                factors = [times for _, times in parts]
                read = [self.values(part) for part, _ in parts]
                return [
                    {sum(map(mul, each, factors)) for each in product(*(here[at] for here in read))}
                    for at in places
                ]
            case Mean(selector=selector, value=value):
                numbers = [{Fraction(each) for each in here} for here in self.values(value)]
                return [_means(numbers, *chosen) for chosen in self.selected(selector)]
            case Aggregate(selector=selector, value=value):
                those = self.values(value)
                return [
                    set().union(*(those[key] for key in able), those[0] if not always else ())
                    for always, able in self.selected(selector)
                ]
            case _:
                raise TypeError(f"{type(expression).__name__} is no kind of expression")

    def selected(self, selector: Selector) -> list[tuple[set[int], set[int]]]:
        """For each position, which ones it is sure to select, and which ones it can select."""
        look = self.whole.looks[selector]
        found: list[tuple[set[int], set[int]]] = [(set(), set())]
        look.rests.add(0)
        for query in range(1, self.length + 1):
            seen = range(1, 1 + (query if self.whole.program.causal else self.length))
            fits = {key: self._fits(selector, key, query) for key in seen}
            always = {key for key, can in fits.items() if can == {True}}
            able = {key for key, can in fits.items() if True in can}
            look.selected |= {(query, key) for key in able}
            look.missed |= {(query, key) for key in seen if key not in always}
            look.rests |= set() if always else {query}
            found.append((always, able))
        return found

    def _fits(self, selector: Selector, key: int, query: int) -> set[bool]:
        """Whether this key position can fit this query position, and whether it can fail to."""
        keys, queries = self.values(selector.keys)[key], self.values(selector.queries)[query]
        itself = selector.keys is selector.queries and key == query
        pairs = [(value, value) for value in keys] if itself else list(product(keys, queries))
        known = self.whole.looks[selector].fits
        for pair in pairs:
            if pair not in known:
                known[pair] = bool(selector.fits(*pair))
        return {known[pair] for pair in pairs}


def _means(numbers: list[set[Fraction]], always: set[int], able: set[int]) -> set[Fraction]:
    """Every mean over positions that include `always` and lie in `able`; over `<bos>` if there are none."""
    sums = {(Fraction(0), 0)}
    for place in able:
        added = {(total + value, count + 1) for total, count in sums for value in numbers[place]}
        sums = added if place in always else sums | added
    return {total / count for total, count in sums if count} | (set() if always else numbers[0])
