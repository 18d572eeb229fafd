"""How low and how high does the difference of two letters' counts get, in prefixes and in suffixes?"""

from __future__ import annotations

from collections.abc import Callable

from algoscope.explanation.concepts import Codes, Concept, Sees
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.derived import sign
from algoscope.explanation.library.scope import Scope
from algoscope.explanation.library.stretches import Weights, steps

Lowest = Callable[[Weights], Codes]
"""The lowest sum of these steps over some stretches; the highest is minus that of the opposite steps."""


def extremes(scope: Scope) -> list[Concept]:
    """The lowest and the highest count of one letter minus that of another, with their signs.

    Prefixes and suffixes may be empty, with a difference of 0.
    """
    kinds = [
        ("in any prefix so far", _prefix_so_far, Sees.BEFORE),
        ("in any stretch that ends here", _ending_here, Sees.BEFORE),
    ]
    if not scope.language.causal:
        kinds += [
            ("in any prefix", _prefix, Sees.ANYWHERE),
            ("in any suffix", _suffix, Sees.ANYWHERE),
            ("in any suffix from here on", _suffix_from_here, Sees.ANYWHERE),
        ]
    found = []
    for pair in scope.pairs:
        less = f"count of {scope.word(pair[0])} minus that of {scope.word(pair[1])}"
        for words, lowest, sees in kinds:
            # First every prefix has to be counted, then they can be compared.
            low = Concept(f"the lowest {less} {words}", _low(lowest, pair), sees, depth=2, numeric=True)
            high = Concept(f"the highest {less} {words}", _high(lowest, pair), sees, depth=2, numeric=True)
            found += [low, sign(low), high, sign(high)]
    return found


def _low(lowest: Lowest, pair: tuple[int, int]) -> Callable[[Inputs], Codes]:
    return lambda inputs: lowest(steps(inputs, pair))


def _high(lowest: Lowest, pair: tuple[int, int]) -> Callable[[Inputs], Codes]:
    return lambda inputs: -lowest(-steps(inputs, pair))


def _prefix_so_far(weights: Weights) -> Codes:
    # The empty prefix is one too, so that it makes no difference whether an anchor or padding stands there.
    return weights.cumsum(1).cummin(1).values.clamp(max=0)


def _ending_here(weights: Weights) -> Codes:
    """What there is up to here, less the most that there was before any place up to here."""
    total = weights.cumsum(1)
    return total - (total - weights).cummax(1).values


def _prefix(weights: Weights) -> Codes:
    return _prefix_so_far(weights)[:, -1:].expand(weights.shape)


def _suffix(weights: Weights) -> Codes:
    return _prefix(weights.flip(1))


def _suffix_from_here(weights: Weights) -> Codes:
    return _prefix_so_far(weights.flip(1)).flip(1)
