"""What do the numbers add up to?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope, remainders

MODULI = (2, 3)


def sums(scope: Scope) -> list[Concept]:
    """Every concept that adds numbers; none where letters are no whole numbers."""
    values = _values(scope)
    if values is None:
        return []
    moduli = sorted({*MODULI, 10, len(scope.letters)})
    found = []
    for words, of, sees in _totals(scope, values):
        total = Concept(words, of, sees, numeric=True)
        found += [total, *remainders(total, tuple(moduli))]
    here = Concept("the number here", lambda inputs: _numbers(values, inputs), Sees.HERE, depth=0)
    return [*found, *remainders(here, (2, 3, 4)), *_of_two(scope, values)]


def _values(scope: Scope) -> tuple[int, ...] | None:
    """What each token is worth: 0 for one that is no letter."""
    if not scope.language.ordered:
        return None
    worth = [0] * scope.language.size
    for letter in scope.letters:
        number = float(scope.word(letter))
        if not number.is_integer():
            return None
        worth[letter] = int(number)
    return tuple(worth)


def _numbers(values: tuple[int, ...], inputs: Inputs) -> Int[Tensor, "batch seq"]:
    return torch.tensor(values, device=inputs.tokens.device)[inputs.tokens]


def _totals(scope: Scope, values: tuple[int, ...]) -> list[tuple[str, Callable[[Inputs], Codes], Sees]]:
    def so_far(inputs: Inputs) -> Codes:
        return _numbers(values, inputs).cumsum(1)

    def within(part: int) -> Callable[[Inputs], Codes]:
        return lambda inputs: (_numbers(values, inputs) * (inputs.segment == part)).cumsum(1)

    def in_all(inputs: Inputs) -> Codes:
        return _numbers(values, inputs).sum(1, keepdim=True).expand(inputs.tokens.shape)

    found = [("the sum of the numbers so far", so_far, Sees.BEFORE)]
    if len(scope.parts) > 1:
        found += [
            (f"the sum of the numbers so far in {scope.part(part)}", within(part), Sees.BEFORE)
            for part in scope.parts
        ]
    if not scope.language.causal:
        found.append(("the sum of the numbers in all", in_all, Sees.ANYWHERE))
    return found


def _of_two(scope: Scope, values: tuple[int, ...]) -> list[Concept]:
    """What can be said of the first two numbers, where an input has no more in its only part."""
    if scope.length is None or scope.longest - len(scope.language.anchors) != 2 or len(scope.parts) > 1:
        return []
    sees = Sees.BEFORE if scope.language.causal else Sees.ANYWHERE

    def pair(inputs: Inputs) -> tuple[Codes, Codes, Tensor]:
        """Both numbers, and where the second has been seen."""
        places = torch.where(inputs.letter, inputs.place, inputs.tokens.shape[1])
        first, second = places.sort(1).values[:, :2].clamp(max=inputs.tokens.shape[1] - 1).unbind(1)
        numbers = _numbers(values, inputs)
        known = (inputs.place >= second[:, None]) | (sees == Sees.ANYWHERE)
        return numbers.gather(1, first[:, None]), numbers.gather(1, second[:, None]), known

    def concept(name: str, of: Callable[[Codes, Codes], Codes]) -> Concept:
        def code(inputs: Inputs) -> Codes:
            first, second, known = pair(inputs)
            return torch.where(known, of(first, second), UNSEEN)

        return Concept(name, code, sees, numeric=True)

    size = len(scope.letters)
    return [
        concept("the distance of the two numbers", lambda first, second: (first - second).abs()),
        concept(
            f"the first number minus the second, modulo {size}", lambda first, second: (first - second) % size
        ),
        concept(
            f"the product of the two numbers, modulo {size}", lambda first, second: first * second % size
        ),
        concept("the larger of the two numbers", torch.maximum),
        concept("the smaller of the two numbers", torch.minimum),
    ]
