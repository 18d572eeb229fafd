"""What share of the letters, or of all tokens, is a letter: what attention gives that is spread evenly?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from algoscope.explanation.concepts import Codes, Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.scope import UNSEEN, Scope
from algoscope.explanation.library.stretches import Stretch, Weights, main_stretches, steps

ONE = 1 << 20
"""What a share of 1 is written as. Shares among up to 1,024 places all differ, and are in order."""

Weigh = Callable[[Inputs], Weights]


def shares(scope: Scope) -> list[Concept]:
    """The share of each letter, and the difference of each two, over the main stretches."""
    return [concept for stretch in main_stretches(scope) for concept in _shares(scope, stretch)]


def share_among_letters(letter: int, stretch: Stretch, scope: Scope) -> Concept:
    """How many of the letters of a stretch are this one, in units of 1 / ONE; UNSEEN if it has none."""
    name = f"the share of {scope.word(letter)} among the letters {stretch.words}"
    return _share(name, _of(letter), _letters, stretch)


def informative(scope: Scope) -> tuple[int, ...]:
    """Letters whose shares say all that all shares say: of two, one's is 1 less the other's."""
    return scope.few[:1] if len(scope.few) == 2 else scope.few


def _shares(scope: Scope, stretch: Stretch) -> list[Concept]:
    found = [share_among_letters(letter, stretch, scope) for letter in informative(scope)]
    for letter in scope.few:
        name = f"the share of {scope.word(letter)} among the tokens {stretch.words}"
        found.append(_share(name, _of(letter), _tokens, stretch))
    if len(scope.few) > 2:
        for one, other in scope.pairs:
            name = f"the share of {scope.word(one)} less that of {scope.word(other)} among the letters"
            found.append(_share(f"{name} {stretch.words}", _less((one, other)), _letters, stretch))
    return found


def _of(letter: int) -> Weigh:
    return lambda inputs: (inputs.tokens == letter).long()


def _less(pair: tuple[int, int]) -> Weigh:
    return lambda inputs: steps(inputs, pair)


def _letters(inputs: Inputs) -> Weights:
    return inputs.letter.long()


def _tokens(inputs: Inputs) -> Weights:
    return inputs.real.long()


def _share(name: str, part: Weigh, whole: Weigh, stretch: Stretch) -> Concept:
    def of(inputs: Inputs) -> Codes:
        count, total = (stretch.count(inputs, weigh(inputs)) for weigh in (part, whole))
        # A difference of shares may be -1 / ONE, so UNSEEN can't be -1 alone: it lies below all of them.
        return torch.where(total > 0, count * ONE // total.clamp(min=1), UNSEEN * 2 * ONE)

    return Concept(name, of, stretch.sees, numeric=True)
