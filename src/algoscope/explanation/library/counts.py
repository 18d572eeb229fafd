"""How many of a letter are there, and how many more than of another?"""

from __future__ import annotations

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.library.derived import remainders, sign
from algoscope.explanation.library.scope import Scope
from algoscope.explanation.library.stretches import BEFORE_HERE, Stretch, Weights, steps, stretches

MODULI = (2, 3, 4)


def counts(scope: Scope) -> list[Concept]:
    """Counts of each letter and differences of each two, over every stretch."""
    found = []
    for stretch in stretches(scope):
        for letter in scope.few:
            count = counted(letter, stretch, scope)
            # Without the place itself, a count is no more than a step towards something else.
            found += [count, *remainders(count, () if stretch is BEFORE_HERE else MODULI)]
        for pair in scope.pairs:
            difference = differing(pair, stretch, scope)
            found += [difference, sign(difference)]
    return found


def counted(letter: int, stretch: Stretch, scope: Scope) -> Concept:
    """How many of this letter there are in a stretch."""

    def of(inputs: Inputs) -> Weights:
        return stretch.count(inputs, (inputs.tokens == letter).long())

    return Concept(f"how many {scope.word(letter)} {stretch.words}", of, stretch.sees, numeric=True)


def differing(pair: tuple[int, int], stretch: Stretch, scope: Scope) -> Concept:
    """How many more there are of the first letter than of the second; below 0 if there are fewer."""
    name = f"how many more {scope.word(pair[0])} than {scope.word(pair[1])} {stretch.words}"
    return Concept(
        name, lambda inputs: stretch.count(inputs, steps(inputs, pair)), stretch.sees, numeric=True
    )
