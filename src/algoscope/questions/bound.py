"""A threshold as one value: it prints itself and it judges, so that neither can say other than the other."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

Number = float | int
Measured = Number | str | bool | Sequence["Measured"]

_JUDGES: Mapping[str, Callable[[Number, Number], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "more than": operator.gt,
    "less than": operator.lt,
}
_QUANTIFIERS = {"": "", "each": "each ", "any": "at least one "}
THIRD = 1 / 3


@dataclass(frozen=True)
class Bound:
    """A limit that a measured number keeps or breaks.

    >>> str(at_least(0.95)), at_least(0.95).holds(0.95), at_least(0.95).holds(0.94)
    ('at least 0.95', True, False)
    >>> str(at_most(0.1).each()), at_most(0.1).each().holds([0.0, 0.2])
    ('each at most 0.1', False)
    """

    word: str
    """One of "at least", "at most", "more than", "less than"."""
    limit: Number
    why: str = ""
    """Where the limit comes from, for the reader: "three times what chance gives"."""
    over: str = ""
    """Of a list of numbers: "each" of them, or "any" one. Lists may be nested."""

    def __post_init__(self) -> None:
        assert self.word in _JUDGES, f"no such comparison: {self.word}"
        assert self.over in _QUANTIFIERS, f"no such quantifier: {self.over}"

    def __str__(self) -> str:
        return f"{_QUANTIFIERS[self.over]}{self.word} {self.limit:.12g}" + (
            f": {self.why}" if self.why else ""
        )

    def holds(self, value: Measured) -> bool:
        """Whether the value keeps to the limit: each number of a list, or any, where the bound says so."""
        judge = _JUDGES[self.word]
        if not self.over:
            assert isinstance(value, Number), f"{value!r} is no number to hold against {self}"
            return judge(value, self.limit)
        quantifier = all if self.over == "each" else any
        numbers = _numbers(value)
        # Each of nothing would hold, whatever the limit.
        assert numbers, f"nothing to hold against {self}: say that it is missing"
        return quantifier(judge(number, self.limit) for number in numbers)

    def hangs(self, value: Measured) -> bool:
        """Whether another limit, a third smaller or larger, would judge the value otherwise.

        A limit between a half and 1 is a share of which 1 is all: there it is what it leaves to 1 that is
        a third smaller or larger, as no share is above 1.

        >>> at_least(3).hangs(3.9), at_least(0.99).hangs(1.0), at_least(0.99).hangs(0.988)
        (True, False, True)
        """
        others = (replace(self, limit=limit) for limit in self._moved)
        return any(other.holds(value) != self.holds(value) for other in others)

    @property
    def _moved(self) -> tuple[Number, Number]:
        room = 1 - self.limit if 0.5 < self.limit < 1 else self.limit
        return self.limit - THIRD * room, self.limit + THIRD * room

    def each(self) -> Self:
        """The same limit for every number of a list."""
        return replace(self, over="each")

    def any(self) -> Self:
        """The same limit, which one number of a list has to keep."""
        return replace(self, over="any")


@dataclass(frozen=True)
class Exists:
    """Not a limit: something was looked for by a criterion of its own, and is named if it was found."""

    criterion: str
    """What had to be true of it: "a mean push of at least 2 logits"."""

    def __str__(self) -> str:
        return f"there is one: {self.criterion}"

    def holds(self, value: Measured) -> bool:
        """Whether anything was found: an empty text or list is nothing."""
        return value not in ("", [], ())

    def hangs(self, value: Measured) -> bool:
        return False


def at_least(limit: Number, why: str = "") -> Bound:
    return Bound("at least", limit, why)


def at_most(limit: Number, why: str = "") -> Bound:
    return Bound("at most", limit, why)


def more_than(limit: Number, why: str = "") -> Bound:
    return Bound("more than", limit, why)


def less_than(limit: Number, why: str = "") -> Bound:
    return Bound("less than", limit, why)


def _numbers(value: Measured) -> list[Number]:
    if isinstance(value, Number):
        return [value]
    assert not isinstance(value, str), f"{value!r} is no number"
    return [number for part in value for number in _numbers(part)]
