"""The concepts that are offered, with what each is on a pool of inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.explanation.concepts import NOTHING, Concept, Sees, both
from algoscope.explanation.inputs import Inputs
from algoscope.model.component import Component

GLANCE = 200
"""Rows that are looked at first, to see that two concepts are not the same."""
Factors = tuple[int, ...]
"""Concepts of a lexicon, by their number in it, that are taken together. None: nothing is known."""


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Concepts with their numbers at every place of a pool's inputs. It grows as coarser ones are found."""

    concepts: list[Concept]
    inputs: Inputs
    codes: dict[int, Int[Tensor, "batch seq"]]
    """By concept; four bytes a number, for the library on a large pool is the largest thing that is kept."""
    made_of: dict[int, Factors]
    """Of concepts that were added: which ones they tell more coarsely."""

    @classmethod
    def of(cls, concepts: Sequence[Concept], inputs: Inputs, only: Iterable[int] | None = None) -> Lexicon:
        """These concepts on these inputs; the numbers of `only` some, if the others won't be asked for."""
        numbers = sorted(set(range(len(concepts)) if only is None else only))
        codes = {number: _small(concepts[number].of(inputs)) for number in numbers}
        return cls(list(concepts), inputs, codes, {})

    @property
    def causal(self) -> bool:
        return self.inputs.language.causal

    def add(self, concept: Concept, made_of: Factors) -> int:
        """One concept more, which tells others more coarsely; returns its number."""
        number = len(self.concepts)
        self.concepts.append(concept)
        self.codes[number] = _small(concept.of(self.inputs))
        self.made_of[number] = made_of
        return number

    def at(self, number: int, where: Bool[Tensor, "batch seq"]) -> Int[Tensor, "row"]:
        """A concept's numbers at some places, made 0, 1, 2 ..."""
        return numbered(self.codes[number][where])

    def telling(self, classes: Int[Tensor, "row"], where: Bool[Tensor, "batch seq"]) -> list[int]:
        """Which concepts tell some places apart just as these classes do."""
        classes = numbered(classes)
        count, flat = int(classes.max()) + 1 if len(classes) else 0, where.flatten().nonzero()[:, 0]
        first = torch.zeros(count, dtype=torch.long, device=flat.device)
        # Any row of a class may speak for it.
        first[classes] = flat
        few = slice(0, GLANCE)
        expected, few_expected = first[classes], first[classes[few]]
        found = []
        for number, codes in self.codes.items():
            here = codes.flatten()
            if not torch.equal(here[flat[few]], here[few_expected]) or len(here[first].unique()) < count:
                continue
            if torch.equal(here[flat], here[expected]):
                found.append(number)
        return found

    def known(self, component: Component) -> list[int]:
        """Which concepts a component can know, the simplest first."""
        return sorted(
            (index for index, each in enumerate(self.concepts) if knows(component, each, self.causal)),
            key=lambda index: (
                self.concepts[index].price,
                self.concepts[index].depth,
                self.concepts[index].sees,
                index,
            ),
        )

    def together(self, factors: Factors, where: Bool[Tensor, "batch seq"]) -> Int[Tensor, "row"]:
        """A number for each combination of these concepts, 0, 1, 2 ..., at some places."""
        found = torch.zeros(int(where.sum()), dtype=torch.long)
        for index in factors:
            here = self.at(index, where)
            found = numbered(found * (int(here.max()) + 1 if len(here) else 1) + here)
        return found

    def concept(self, factors: Factors) -> Concept:
        """What these say together."""
        return reduce(both, (self.concepts[index] for index in factors)) if factors else NOTHING

    def finer(self, factors: Factors) -> Factors:
        """The same with each concept that was added told as finely as those that it was made of."""
        return tuple(sorted({one for each in factors for one in self.made_of.get(each, (each,))}))

    def price(self, factors: Factors) -> int:
        """Of how many primitives it is built."""
        return sum(self.concepts[index].price for index in factors)


def _small(codes: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    return (codes % 2_147_483_647).int()


def knows(component: Component, concept: Concept, causal: bool) -> bool:
    """Whether a component at a place can have seen enough of the input to know a concept there."""
    shallow = concept.depth <= component.layer + 1
    return shallow and not concept.answer and not (causal and concept.sees is Sees.ANYWHERE)


def numbered(codes: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """The same partition with the numbers 0, 1, 2 ..., in the order of the old ones."""
    if not len(codes):
        return codes.long()
    low, high = codes.aminmax()
    span = int(high) - int(low) + 1
    if span > 4 * len(codes) + 1000:
        found: Tensor = codes.unique(return_inverse=True)[1]
        return found
    # Without sorting, which is most of what a search would otherwise spend its time on.
    shifted = (codes - low).long()
    there = torch.zeros(span, dtype=torch.long, device=codes.device)
    there[shifted] = 1
    return (there.cumsum(0) - 1)[shifted]


def entropy(codes: Int[Tensor, "row"]) -> float:
    """How much there is to say, in bits, on these rows."""
    share = codes.bincount().double() / max(len(codes), 1)
    return float(-(share * share.clamp(min=1e-12).log2()).sum())
