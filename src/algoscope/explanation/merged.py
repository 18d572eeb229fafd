"""A concept told more coarsely: its values that a model treats alike are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.shares import ONE

LISTED = 8
"""Numbers up to which groups of them are spelt out."""


def merged(concept: Concept, classes: Mapping[int, int]) -> Concept:
    """The class of a concept's number, for the numbers that have one.

    Another number counts as the nearest one if the concept is a quantity, and else as a class of its own.
    """
    keys = torch.tensor(sorted(classes))
    values = torch.tensor([classes[key] for key in keys.tolist()])

    def of(inputs: Inputs) -> Codes:
        codes = concept.of(inputs)
        after = torch.searchsorted(keys, codes.contiguous()).clamp(max=len(keys) - 1)
        before = (after - 1).clamp(min=0)
        nearest = torch.where(codes - keys[before] < keys[after] - codes, before, after)
        found = values[nearest]
        return (
            found if concept.numeric else torch.where(keys[nearest] == codes, found, codes % ONE + len(keys))
        )

    return replace(concept, name=grouped(concept, classes), of=of, numeric=False, price=concept.price + 1)


def grouped(concept: Concept, classes: Mapping[int, int]) -> str:
    """What a concept is called if only the class of its number is told.

    >>> from algoscope.explanation.concepts import NOTHING
    >>> count = replace(NOTHING, name="how many a", numeric=True)
    >>> grouped(count, {0: 0, 1: 1, 2: 1})
    'whether how many a is at least 1'
    >>> grouped(count, {0: 0, 1: 1, 2: 0})
    'whether how many a is 1'
    >>> grouped(count, {0: 0, 1: 1, 2: 1, 3: 2, 4: 2})
    'how many a, in the groups 0, 1 to 2, 3 and more'
    """
    count = len(set(classes.values()))
    unknown = f"which of {count} groups {concept.name} is in"
    if not concept.numeric or max(map(abs, classes)) > 1000:
        return unknown
    numbers = sorted(classes)
    groups = [
        [key for key in numbers if classes[key] == each]
        for each in dict.fromkeys(map(classes.__getitem__, numbers))
    ]
    runs = _runs([classes[key] for key in numbers])
    if count == 2 and runs == 2:
        return f"whether {concept.name} is at least {groups[1][0]}"
    if count == 2 and min(map(len, groups)) == 1:
        return f"whether {concept.name} is {min(groups, key=len)[0]}"
    if runs == count:
        middle = [_span(group[0], group[-1]) for group in groups[:-1]]
        return f"{concept.name}, in the groups {', '.join(middle)}, {groups[-1][0]} and more"
    if len(numbers) <= LISTED:
        spelt = ("or".join(f" {key} " for key in group).strip() for group in groups)
        return f"{concept.name}, in the groups {', '.join(spelt)}"
    return unknown


def _runs(values: Sequence[int]) -> int:
    return 1 + sum(one != other for one, other in pairwise(values))


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def table(codes: Int[Tensor, "row"], classes: Int[Tensor, "row"]) -> dict[int, int]:
    """The class of each number, from rows with both."""
    return dict(zip(codes.tolist(), classes.tolist(), strict=True))
