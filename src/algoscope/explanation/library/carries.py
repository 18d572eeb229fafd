"""What is carried where two numbers are added digit by digit?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.parts import last_anchor
from algoscope.explanation.library.scope import UNSEEN, Scope

SHIFTS = ((-1, "one digit back"), (0, "at this index"), (1, "one digit ahead"))
BASES = range(3, 17)
"""Numbers of digits that make a number system; with two, letters are not known to be numbers."""

Columns = Int[Tensor, "batch column"]


def carries(scope: Scope) -> list[Concept]:
    """Digit sums and carries of the two first parts, seen from behind them; none where letters are no digits.

    The index is that of a place in its own part. Digits are aligned at the side on which the lowest stand.
    """
    letters = scope.language.letters
    digits = [scope.word(letter) for letter in letters] == [str(number) for number in range(len(letters))]
    if not digits or len(letters) not in BASES or len(scope.parts) < 2:
        return []
    found = []
    for lowest_last in (True, False):
        order = "lowest digit last" if lowest_last else "lowest digit first"
        for shift, words in SHIFTS:
            for what, pick in (
                ("digit sum", _total),
                ("carry into it", _carry),
                ("digit of the sum", _digit),
            ):
                name = f"the {what} of both numbers {words}, {order}"
                found.append(Concept(name, _column(scope, lowest_last, shift, pick), numeric=True))
    return found


Pick = Callable[[Columns, Columns, int], Columns]
"""From digit sums and carries, given the base."""


def _total(sums: Columns, carried: Columns, base: int) -> Columns:
    return sums


def _carry(sums: Columns, carried: Columns, base: int) -> Columns:
    return carried


def _digit(sums: Columns, carried: Columns, base: int) -> Columns:
    return (sums + carried) % base


def _column(scope: Scope, lowest_last: bool, shift: int, pick: Pick) -> Callable[[Inputs], Codes]:
    first, second = scope.parts[:2]
    base = len(scope.language.letters)

    def of(inputs: Inputs) -> Codes:
        sums = _digits(inputs, first, lowest_last) + _digits(inputs, second, lowest_last)
        codes = pick(sums, _carried(sums, base), base)
        index = inputs.place - last_anchor(inputs) - 1 + shift
        length = (inputs.letter & (inputs.segment == second)).long().sum(1, keepdim=True)
        column = length - 1 - index if lowest_last else index
        inside = (column >= 0) & (column < codes.shape[1])
        found = codes.gather(1, column.clamp(0, codes.shape[1] - 1))
        return torch.where(inside & (inputs.segment > second), found, UNSEEN)

    return of


def _digits(inputs: Inputs, part: int, lowest_last: bool) -> Columns:
    """A part's digits, the lowest first, 0 behind them."""
    where = inputs.letter & (inputs.segment == part)
    letters = torch.tensor(inputs.language.letters, device=inputs.tokens.device)
    digits = torch.where(where, torch.searchsorted(letters, inputs.tokens), 0)
    # Sorted so that the places of the part come first, the lowest digit's before all.
    direction = -inputs.place if lowest_last else inputs.place
    order = torch.where(where, direction, inputs.tokens.shape[1]).argsort(1)
    return torch.nn.functional.pad(digits.gather(1, order), (0, 1))


def _carried(sums: Columns, base: int) -> Columns:
    """What comes into each column from the lower ones."""
    carried = torch.zeros_like(sums)
    for column in range(1, sums.shape[1]):
        carried[:, column] = (sums[:, column - 1] + carried[:, column - 1]) // base
    return carried
