"""Which number is the largest, the next larger, the third smallest; how many are smaller than this one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope

BIG = 1 << 30
"""Larger than every number."""
MASK = (1 << 31) - 1
"""All bits of a number but its sign."""
RANKS = ("smallest", "second smallest", "third smallest", "fourth smallest")

Of = Callable[[Inputs], Codes]


@dataclass(frozen=True, eq=False)
class Among:
    """The numbers that are compared, with each other and with the one here."""

    words: str
    where: Callable[[Inputs], Bool[Tensor, "batch seq"]]
    """At which places they stand."""
    sees: Sees = Sees.BEFORE
    """ANYWHERE: all of them. BEFORE: those up to each place."""

    def told(self, running: Codes) -> Codes:
        """What is known at each place of something that is computed from left to right."""
        return running[:, -1:].expand(running.shape) if self.sees is Sees.ANYWHERE else running


def order(scope: Scope) -> list[Concept]:
    """Every concept that ranks numbers; none where letters are no numbers.

    Numbers are told by their token, which ascends with them. An anchor counts as smaller than all of them.
    """
    if not scope.language.ordered:
        return []
    return [concept for among in _amongs(scope) for concept in (*_extremes(among), *_ranked(among))]


def _amongs(scope: Scope) -> list[Among]:
    found = [Among("so far", lambda inputs: inputs.letter)]
    found += [Among(f"so far in {scope.part(part)}", _in_part(part)) for part in scope.parts[:-1]]
    if not scope.language.causal:
        found.append(Among("in all", lambda inputs: inputs.letter, Sees.ANYWHERE))
    return found


def _in_part(part: int) -> Callable[[Inputs], Bool[Tensor, "batch seq"]]:
    return lambda inputs: inputs.letter & (inputs.segment == part)


def _concept(name: str, of: Of, among: Among) -> Concept:
    return Concept(f"{name} {among.words}", of, among.sees, numeric=True)


def _extremes(among: Among) -> list[Concept]:
    """The largest number, and the few smallest."""
    largest = _concept("the largest number", lambda inputs: _largest(among, inputs), among)
    return [
        largest,
        *(_concept(f"the {name} number", _smallest(among, rank), among) for rank, name in enumerate(RANKS)),
    ]


def _largest(among: Among, inputs: Inputs) -> Codes:
    return among.told(torch.where(among.where(inputs), inputs.tokens, UNSEEN).cummax(1).values)


def _smallest(among: Among, rank: int) -> Of:
    """Place by place: a new number takes its rank, and all above it move up."""

    def of(inputs: Inputs) -> Codes:
        numbers = torch.where(among.where(inputs), inputs.tokens, BIG)
        lowest = [torch.full_like(numbers[:, 0], BIG) for _ in range(rank + 1)]
        found = []
        for new in numbers.unbind(1):
            for index, old in enumerate(lowest):
                lowest[index], new = torch.minimum(old, new), torch.maximum(old, new)
            found.append(lowest[rank])
        codes = torch.stack(found, 1)
        return among.told(torch.where(codes < BIG, codes, UNSEEN))

    return of


def _ranked(among: Among) -> list[Concept]:
    """The place of the number here among others, and its neighbours."""
    kinds: list[tuple[str, Of]] = [
        ("how many numbers are smaller than the one here", _smaller(among)),
        ("how many numbers are larger than the one here", _larger(among)),
        ("how many numbers go before the one here", _before(among)),
        ("the next larger number than the one here", _next_larger(among)),
        ("the next smaller number than the one here", _next_smaller(among)),
    ]
    is_largest = Concept(
        f"whether the number here is the largest {among.words}", _is_largest(among), among.sees
    )
    return [*(_concept(name, of, among) for name, of in kinds), is_largest]


def _numbers(inputs: Inputs) -> Int[Tensor, "batch seq"]:
    return torch.where(inputs.letter, inputs.tokens, UNSEEN)


def _smaller(among: Among) -> Of:
    return lambda inputs: _compared(among, inputs, _numbers(inputs), inputs.language.size, _add_smaller, 0)


def _larger(among: Among) -> Of:
    return lambda inputs: _compared(among, inputs, _numbers(inputs), UNSEEN, _add_larger, 0)


def _before(among: Among) -> Of:
    """Smaller ones, and equal ones at earlier places."""

    def of(inputs: Inputs) -> Codes:
        seq = inputs.tokens.shape[1]
        numbers = _numbers(inputs) * seq + inputs.place
        return _compared(among, inputs, numbers, inputs.language.size * seq, _add_smaller, 0)

    return of


def _next_larger(among: Among) -> Of:
    def of(inputs: Inputs) -> Codes:
        numbers = _numbers(inputs)
        above = _compared(among, inputs, numbers, UNSEEN, _least_above, MASK)
        return torch.where(above < inputs.language.size, numbers + 1 + above, UNSEEN)

    return of


def _next_smaller(among: Among) -> Of:
    def of(inputs: Inputs) -> Codes:
        numbers = _numbers(inputs)
        below = _compared(among, inputs, numbers, inputs.language.size, _least_below, MASK)
        return torch.where(below < inputs.language.size, numbers - 1 - below, UNSEEN)

    return of


Update = Callable[[Tensor, Tensor, Tensor], object]
"""Changes what was found up to now, from the numbers here and one number of each input."""


def _add_smaller(found: Tensor, here: Tensor, there: Tensor) -> None:
    found += there < here


def _add_larger(found: Tensor, here: Tensor, there: Tensor) -> None:
    found += there > here


def _least_above(found: Tensor, here: Tensor, there: Tensor) -> None:
    # Without its sign bit, a negative number is larger than every distance.
    torch.minimum(found, (there - here - 1) & MASK, out=found)


def _least_below(found: Tensor, here: Tensor, there: Tensor) -> None:
    torch.minimum(found, (here - there - 1) & MASK, out=found)


def _compared(among: Among, inputs: Inputs, numbers: Tensor, none: int, update: Update, start: int) -> Codes:
    """What comes of comparing the number here with each that counts; `none` stands for one that doesn't.

    One place after another, for all inputs at once, so that nothing is as large as their length squared.
    """
    here = numbers.T.int().contiguous()
    there = torch.where(among.where(inputs).T, here, none)
    found = torch.full_like(here, start)
    for place in range(len(here)):
        first = 0 if among.sees is Sees.ANYWHERE else place
        update(found[first:], here[first:], there[place])
    return found.T.long()


def _is_largest(among: Among) -> Of:
    return lambda inputs: (inputs.letter & (inputs.tokens >= _largest(among, inputs))).long()
