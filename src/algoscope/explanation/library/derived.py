"""What can be said of a quantity's numbers alone: sign, parity, remainders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from algoscope.explanation.concepts import Codes, Concept


def sign(concept: Concept) -> Concept:
    """Whether a quantity is negative, zero or positive: -1, 0 or 1."""
    return _derived(concept, f"the sign of {concept.name}", torch.sign)


def remainders(concept: Concept, moduli: Sequence[int]) -> list[Concept]:
    """A quantity's remainders, from 0 to the modulus less 1."""
    return [_remainder(concept, modulus) for modulus in moduli]


def _remainder(concept: Concept, modulus: int) -> Concept:
    name = f"the parity of {concept.name}" if modulus == 2 else f"{concept.name}, modulo {modulus}"
    return _derived(concept, name, lambda codes: codes % modulus)


def _derived(concept: Concept, name: str, change: Callable[[Codes], Codes]) -> Concept:
    return Concept(
        name, lambda inputs: change(concept.of(inputs)), concept.sees, concept.depth, price=concept.price + 1
    )


def steps(concept: Concept, widths: Sequence[int]) -> list[Concept]:
    """A quantity told only roughly: in steps of each of these widths, counted from 0."""
    return [_step(concept, width) for width in widths]


def _step(concept: Concept, width: int) -> Concept:
    return Concept(
        f"{concept.name}, in steps of {width}",
        lambda inputs: concept.of(inputs).div(width, rounding_mode="floor"),
        concept.sees,
        concept.depth,
        numeric=True,
        price=concept.price + 1,
    )
