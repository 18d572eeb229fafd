"""What do the numbers add up to, and what else comes of two of them?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.derived import remainders, sign
from algoscope.explanation.library.scope import UNSEEN, Scope
from algoscope.explanation.library.stretches import Stretch, main_stretches

MODULI = (2, 3, 10)

Worth = tuple[int, ...]
"""What each token is worth: 0 for one that is no number."""


def sums(scope: Scope) -> list[Concept]:
    """Every concept that adds numbers; none where letters are no whole numbers."""
    worth = _worth(scope)
    if worth is None:
        return []
    moduli = sorted({*MODULI, len(scope.language.letters)})
    found = []
    for stretch in main_stretches(scope):
        total = _total(worth, stretch)
        found += [total, *remainders(total, moduli)]
    here = Concept(
        "the number here", lambda inputs: _numbers(worth, inputs), Sees.HERE, depth=0, numeric=True
    )
    change = Concept(
        "how much larger the number here is than the one before",
        lambda inputs: _change(worth, inputs),
        numeric=True,
    )
    return [*found, *remainders(here, (2, 3, 4)), change, sign(change), *_of_two(scope, worth)]


def _worth(scope: Scope) -> Worth | None:
    if not scope.language.ordered:
        return None
    numbers = {letter: float(scope.word(letter)) for letter in scope.language.letters}
    if not all(number.is_integer() for number in numbers.values()):
        return None
    return tuple(int(numbers.get(token, 0)) for token in range(scope.language.size))


def _numbers(worth: Worth, inputs: Inputs) -> Int[Tensor, "batch seq"]:
    return torch.tensor(worth, device=inputs.tokens.device)[inputs.tokens]


def _total(worth: Worth, stretch: Stretch) -> Concept:
    return Concept(
        f"the sum of the numbers {stretch.words}",
        lambda inputs: stretch.count(inputs, _numbers(worth, inputs)),
        stretch.sees,
        numeric=True,
    )


def _change(worth: Worth, inputs: Inputs) -> Codes:
    """0 unless both are numbers."""
    numbers = _numbers(worth, inputs)
    change = torch.zeros_like(numbers)
    both = inputs.letter[:, 1:] & inputs.letter[:, :-1]
    change[:, 1:] = torch.where(both, numbers[:, 1:] - numbers[:, :-1], 0)
    return change


def _of_two(scope: Scope, worth: Worth) -> list[Concept]:
    """What can be said of the two numbers of an input that has no more than two."""
    if not scope.fixed or scope.longest - len(scope.language.anchors) != 2:
        return []
    size = len(scope.language.letters)
    kinds: list[tuple[str, Callable[[Codes, Codes], Codes]]] = [
        ("how far apart the two numbers are", lambda one, other: (one - other).abs()),
        (f"the first number minus the second, modulo {size}", lambda one, other: (one - other) % size),
        (f"the product of the two numbers, modulo {size}", lambda one, other: one * other % size),
        ("the larger of the two numbers", torch.maximum),
        ("the smaller of the two numbers", torch.minimum),
    ]
    return [Concept(name, _both(worth, change), scope.reach, numeric=True) for name, change in kinds]


def _both(worth: Worth, change: Callable[[Codes, Codes], Codes]) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        far = inputs.tokens.shape[1]
        first, second = torch.where(inputs.letter, inputs.place, far).sort(1).values[:, :2].split(1, 1)
        numbers = _numbers(worth, inputs)
        codes = change(numbers.gather(1, first), numbers.gather(1, second)).expand(numbers.shape)
        known = (inputs.place >= second) | (not inputs.language.causal)
        return torch.where(known, codes, UNSEEN)

    return of
