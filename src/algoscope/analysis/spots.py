"""On which inputs is the model worst, told apart by everything that the task knows of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.analysis.intervals import wilson
from algoscope.tasks.task import Examples

LEAST = 20
"""Answers below which a share says too little to be compared."""
MOST_VALUES = 20
"""A concept with more values than this is a measurement, not a kind of input."""


@dataclass(frozen=True)
class Spot:
    """The answers of which one fact is true, and how many of them are wrong."""

    what: str
    """The fact: "kind", "length", "answer number", or a concept's name."""
    value: str
    wrong: int
    count: int

    @property
    def share(self) -> float:
        return self.wrong / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share, with 95 % confidence; answers count as independent."""
        return wilson(self.wrong, self.count)

    @property
    def words(self) -> str:
        return f"{self.what}: {self.value}"


def spots(
    correct: Bool[Tensor, "row"],
    examples: Examples,
    groups: Mapping[str, Bool[Tensor, "batch"]],
    pad: int | None = None,
) -> tuple[Spot, ...]:
    """Every fact that holds of at least `LEAST` answers but not of all, the one with most wrong first.

    By group of inputs, answer number, length, and each value of a concept that has few; a concept with a
    value at every position counts with that at the answer. Of shares that tie, the surer one comes first.
    """
    found = []
    for what, value, rows in _cells(examples, groups, pad):
        count = int(rows.sum())
        if LEAST <= count < len(correct):
            found.append(Spot(what, value, int((~correct[rows]).sum()), count))
    return tuple(sorted(found, key=lambda spot: (-spot.share, -spot.count)))


def _cells(
    examples: Examples, groups: Mapping[str, Bool[Tensor, "batch"]], pad: int | None
) -> Iterator[tuple[str, str, Bool[Tensor, "row"]]]:
    row = examples.row_example
    for name, mask in groups.items():
        yield "kind", name, mask[row]
    facts = {"answer number": examples.row_number}
    if pad is not None:
        facts["length"] = (examples.tokens != pad).sum(1)[row]
    for name, concept in examples.concepts.items():
        facts[name] = concept[row] if concept.ndim == 1 else examples.at_answers(concept)
    for name, values in facts.items():
        for value in _few_values(values):
            shown = ("no", "yes")[value] if values.dtype == torch.bool else str(value)
            yield name, shown, values == value


def _few_values(values: Tensor) -> list[int]:
    """The values that a fact takes, if it is yes or no or a small whole number; else none."""
    if values.ndim != 1 or values.dtype.is_floating_point or values.dtype.is_complex:
        return []
    unique: Int[Tensor, "value"] = values.unique()
    return unique.tolist() if len(unique) <= MOST_VALUES else []
