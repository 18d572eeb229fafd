"""Which indices along an axis are meant: every spelling becomes the same ones, once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

from algoscope.errors import UserError

Selection = SupportsIndex | Iterable[SupportsIndex] | None
"""One index; several, as any sequence, range, array or tensor of integers; a mask, which is the same of
bools, one for each index; or None for all."""


@dataclass(frozen=True)
class Chosen:
    """A selection whose spelling is settled."""

    indices: tuple[int, ...] | None
    """In the order given; None for all."""
    mask: int | None = None
    """How many entries the mask had that it was given as."""

    @property
    def plain(self) -> int | tuple[int, ...] | None:
        """As a table shows it: one index is a number, however it was spelled."""
        return self.indices[0] if self.indices is not None and len(self.indices) == 1 else self.indices

    def along(self, size: int, name: str, site: str) -> tuple[int, ...] | None:
        """The indices, if an axis of this size has them. Raises UserError otherwise."""
        if self.mask not in (None, size):
            raise UserError(
                f"{name} is a mask of {self.mask} at {site!r}: give {size} bools, one for each {name}"
            )
        if self.indices is None:
            return None
        if not self.indices:
            raise UserError(f"no {name} is selected at {site!r}: give at least one, or None for all")
        if len(set(self.indices)) != len(self.indices):
            raise UserError(f"{name} {list(self.indices)} at {site!r} names one twice: give each once")
        for each in self.indices:
            if not 0 <= each < size:
                raise UserError(f"{name} {each} does not exist at {site!r}: there are 0 to {size - 1}")
        return self.indices


def chosen(selection: object, name: str) -> Chosen:
    """The selection, whatever its spelling. Raises UserError for what is neither indices nor a mask.

    >>> chosen([True, False, True], "head") == Chosen((0, 2), mask=3)
    True
    >>> chosen(range(3, 5), "position").plain
    (3, 4)
    """
    if selection is None:
        return Chosen(None)
    given = _unwrapped(selection)
    if isinstance(given, bool):
        raise UserError(f"{name} is {given}: give an index, or a mask, which has one bool for each {name}")
    several = isinstance(given, Iterable) and not isinstance(given, str)
    entries = [_unwrapped(entry) for entry in given] if several else [given]
    bools = [entry for entry in entries if isinstance(entry, bool)]
    if bools and len(bools) == len(entries):
        return Chosen(tuple(place for place, yes in enumerate(bools) if yes), mask=len(bools))
    numbers = [entry for entry in entries if isinstance(entry, SupportsIndex)]
    if bools or len(numbers) < len(entries):
        shown = " ".join(repr(selection).split())[:60]
        raise UserError(f"{name} is {shown}: give an index, several, a mask of bools alone, or None for all")
    return Chosen(tuple(index(number) for number in numbers))


def _unwrapped(value: Any) -> Any:
    """Arrays, tensors and their numbers as Python's own: a tensor of one bool would pass for the number 1."""
    unwrap = getattr(value, "tolist", None)
    return unwrap() if callable(unwrap) else value
