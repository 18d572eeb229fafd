"""Which number is the largest, the next larger, the third smallest; how many are smaller than the one here?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.pairwise import pairwise
from algoscope.explanation.library.scope import UNSEEN, Scope

BIG = 1 << 30
SMALLEST = 4
"""How many of the smallest numbers are concepts by rank."""


@dataclass(frozen=True, eq=False)
class Among:
    """The numbers that the one here is compared with."""

    words: str
    keys: Callable[[Inputs], Bool[Tensor, "batch #seq seq"]]
    sees: Sees = Sees.BEFORE


def order(scope: Scope) -> list[Concept]:
    """Every concept that ranks numbers; none where letters are no numbers."""
    if not scope.language.ordered:
        return []
    found = [concept for among in _amongs(scope) for concept in _ranked(among)]
    if len(scope.parts) > 1:
        found += [_in_turn(among) for among in _amongs(scope)[1:]]
    return found


def _amongs(scope: Scope) -> list[Among]:
    found = [Among("so far", lambda inputs: inputs.letter[:, None, :] & _seen(inputs))]
    if len(scope.parts) > 1:
        found += [Among(f"so far in {scope.part(part)}", _in_part(part)) for part in scope.parts]
    if not scope.language.causal:
        found.append(Among("in all", lambda inputs: inputs.letter[:, None, :], Sees.ANYWHERE))
    return found


def _seen(inputs: Inputs) -> Bool[Tensor, "1 seq seq"]:
    return inputs.place[:, None, :] <= inputs.place[:, :, None]


def _in_part(part: int) -> Callable[[Inputs], Bool[Tensor, "batch seq seq"]]:
    return lambda inputs: (inputs.letter & (inputs.segment == part))[:, None, :] & _seen(inputs)


def _ranked(among: Among) -> list[Concept]:
    def concept(
        name: str, reduce: Callable[[Tensor, Tensor, Tensor], Tensor], numeric: bool = True
    ) -> Concept:
        of = lambda inputs: pairwise(reduce, inputs.tokens, among.keys(inputs))  # noqa: E731
        return Concept(f"{name} {among.words}", of, among.sees, numeric=numeric)

    return [
        concept("the largest number", _largest),
        concept("the smallest number", _smallest),
        concept("how many numbers are smaller than the one here", _smaller),
        concept("how many numbers are as large as the one here", _as_large),
        concept("the next larger number", _next_larger),
        concept("the next smaller number", _next_smaller),
        concept("whether the number here is the largest", _is_largest, numeric=False),
        concept("whether the number here is the smallest", _is_smallest, numeric=False),
        *(
            Concept(
                f"the {_nth(rank)} smallest number {among.words}",
                _of_rank(among, rank),
                among.sees,
                numeric=True,
            )
            for rank in range(1, SMALLEST)
        ),
    ]


def _nth(rank: int) -> str:
    return ("first", "second", "third", "fourth")[rank]


def _found(values: Tensor) -> Tensor:
    """UNSEEN where nothing was found."""
    return torch.where(values.abs() == BIG, UNSEEN, values)


def _largest(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return _found(torch.where(counts, there, -BIG).amax(-1)).expand(here.shape[:2])


def _smallest(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return _found(torch.where(counts, there, BIG).amin(-1)).expand(here.shape[:2])


def _smaller(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return ((there < here) & counts).sum(-1)


def _as_large(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return ((there == here) & counts).sum(-1)


def _next_larger(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return _found(torch.where((there > here) & counts, there, BIG).amin(-1))


def _next_smaller(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return _found(torch.where((there < here) & counts, there, -BIG).amax(-1))


def _is_largest(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return ~((there > here) & counts).any(-1)


def _is_smallest(here: Tensor, there: Tensor, counts: Tensor) -> Tensor:
    return ~((there < here) & counts).any(-1)


def _sorted(among: Among, inputs: Inputs) -> Tensor:
    """The numbers that count at each place, in order; BIG behind them."""
    keys = among.keys(inputs)
    return torch.where(keys, inputs.tokens[:, None, :].int(), BIG).sort(-1).values


def _of_rank(among: Among, rank: int) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        if rank >= inputs.tokens.shape[1]:
            return torch.full_like(inputs.tokens, UNSEEN)
        return _found(_sorted(among, inputs)[:, :, rank].long()).expand(inputs.tokens.shape)

    return of


def _in_turn(among: Among) -> Concept:
    """The smallest at an anchor, the second smallest behind it, and so on."""

    def of(inputs: Inputs) -> Codes:
        numbers = _sorted(among, inputs).expand(-1, inputs.tokens.shape[1], -1)
        return _found(numbers.gather(2, inputs.since_anchor[:, :, None])[:, :, 0].long())

    name = f"the number whose rank {among.words} is the place in this part"
    return Concept(name, of, among.sees, numeric=True)
