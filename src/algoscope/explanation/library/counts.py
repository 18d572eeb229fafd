"""How many of a letter are there, what share are they, and how many more than of another?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import Scope, remainders, sign
from algoscope.explanation.library.stretches import Hits, Stretch, stretches

ONE = 1 << 20
"""What a share of 1 is written as: shares of up to 1,024 letters differ, and are in order."""


def counts(scope: Scope) -> list[Concept]:
    """Every concept that counts letters, one by one or in pairs."""
    found = []
    for stretch in stretches(scope):
        for letter in scope.few:
            count = counted(f"how many {scope.word(letter)} {stretch.words}", letter, stretch)
            found += [count, *remainders(count, (2, 3, 4)), *_shares(scope, letter, stretch)]
        for pair in scope.pairs:
            difference = differing(_difference(scope, pair, stretch.words), pair, stretch)
            found += [difference, sign(difference)]
    return found + [concept for pair in scope.pairs for concept in _extremes(scope, pair)]


def counted(name: str, letter: int, stretch: Stretch) -> Concept:
    """How many of this letter there are in a stretch."""
    return Concept(
        name, lambda inputs: stretch.count(inputs, inputs.tokens == letter), stretch.sees, numeric=True
    )


def differing(name: str, pair: tuple[int, int], stretch: Stretch) -> Concept:
    """How many more there are of the first letter than of the second."""
    first, second = pair

    def of(inputs: Inputs) -> Codes:
        return stretch.count(inputs, inputs.tokens == first) - stretch.count(inputs, inputs.tokens == second)

    return Concept(name, of, stretch.sees, numeric=True)


def _difference(scope: Scope, pair: tuple[int, int], words: str) -> str:
    return f"how many more {scope.word(pair[0])} than {scope.word(pair[1])} {words}"


def _shares(scope: Scope, letter: int, stretch: Stretch) -> list[Concept]:
    """The share among the letters, and among all tokens, which is what even attention gives."""
    word = scope.word(letter)
    return [
        Concept(
            f"the share of {word} among the {kind} {stretch.words}",
            _share(letter, stretch, others),
            stretch.sees,
            numeric=True,
        )
        for kind, others in (("letters", _letters), ("tokens", _real))
    ]


def _letters(inputs: Inputs) -> Hits:
    return inputs.letter


def _real(inputs: Inputs) -> Hits:
    return inputs.real


def _share(letter: int, stretch: Stretch, others: Callable[[Inputs], Hits]) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        part = stretch.count(inputs, inputs.tokens == letter)
        whole = stretch.count(inputs, others(inputs))
        return torch.where(whole > 0, (part * ONE) // whole.clamp(min=1), -1)

    return of


def _extremes(scope: Scope, pair: tuple[int, int]) -> list[Concept]:
    """The lowest and highest difference of any prefix or suffix, and of the whole."""
    words = f"{scope.word(pair[0])} minus {scope.word(pair[1])}"
    found = []
    for name, of in (
        (f"the lowest count of {words} of any prefix so far", _lowest_prefix(pair)),
        (f"the highest count of {words} of any prefix so far", _lowest_prefix(pair[::-1], -1)),
        (f"the lowest count of {words} of any stretch that ends here", _lowest_ending(pair)),
        (f"the highest count of {words} of any stretch that ends here", _lowest_ending(pair[::-1], -1)),
    ):
        found.append(Concept(name, of, numeric=True))
    if not scope.language.causal:
        for name, of in (
            (f"the lowest count of {words} of any prefix", _lowest_of_all(pair)),
            (f"the highest count of {words} of any prefix", _lowest_of_all(pair[::-1], -1)),
            (f"the lowest count of {words} of any suffix", _lowest_suffix(pair)),
            (f"the highest count of {words} of any suffix", _lowest_suffix(pair[::-1], -1)),
            (f"the lowest count of {words} of any suffix from here on", _lowest_later(pair)),
            (f"the highest count of {words} of any suffix from here on", _lowest_later(pair[::-1], -1)),
        ):
            found.append(Concept(name, of, Sees.ANYWHERE, numeric=True))
    return [*found, *map(sign, found)]


def _steps(inputs: Inputs, pair: tuple[int, int]) -> Int[Tensor, "batch seq"]:
    return (inputs.tokens == pair[0]).long() - (inputs.tokens == pair[1]).long()


def _lowest_prefix(pair: tuple[int, int], times: int = 1) -> Callable[[Inputs], Codes]:
    return lambda inputs: times * _steps(inputs, pair).cumsum(1).cummin(1).values


def _lowest_ending(pair: tuple[int, int], times: int = 1) -> Callable[[Inputs], Codes]:
    """The difference up to here less the highest before the stretch begins, 0 if it begins at the start."""

    def of(inputs: Inputs) -> Codes:
        steps = _steps(inputs, pair)
        total = steps.cumsum(1)
        return times * (total - (total - steps).cummax(1).values)

    return of


def _lowest_of_all(pair: tuple[int, int], times: int = 1) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        total = _steps(inputs, pair).cumsum(1)
        return times * total.amin(1, keepdim=True).expand(total.shape)

    return of


def _suffixes(inputs: Inputs, pair: tuple[int, int]) -> Int[Tensor, "batch seq"]:
    return _steps(inputs, pair).flip(1).cumsum(1)


def _lowest_suffix(pair: tuple[int, int], times: int = 1) -> Callable[[Inputs], Codes]:
    def of(inputs: Inputs) -> Codes:
        total = _suffixes(inputs, pair)
        return times * total.amin(1, keepdim=True).expand(total.shape)

    return of


def _lowest_later(pair: tuple[int, int], times: int = 1) -> Callable[[Inputs], Codes]:
    return lambda inputs: times * _suffixes(inputs, pair).cummin(1).values.flip(1)
