"""What was found of a model: which node carries which concept, and how much of its behaviour that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from algoscope.discovery.effects import Interval
from algoscope.explanation.concepts import Concept
from algoscope.explanation.places import Node
from algoscope.explanation.trial import Change
from algoscope.explanation.written import Written


@dataclass(frozen=True, eq=False)
class Carried:
    """What a node carries, and what shows it."""

    node: Node
    factors: tuple[Concept, ...]
    """The primitives that are taken together; none: nothing that was offered is carried."""
    refined: tuple[Concept, ...]
    """What it is taken to carry where all nodes are tested at once: the same, or finer."""
    bits: float
    """Entropy of the concept over the node's rows."""
    carried: Interval
    """1 − KL with a partner that agrees on the concept / KL with any other input's output."""
    changed: Interval
    """Share of inputs that are answered otherwise with such a partner's output."""
    needed: tuple[float | None, ...]
    """For each factor, of the KL with any output, the share with one that agrees on all others but not on it.

    None where hardly a row has such a partner: the others say it already.
    """
    alone: float
    """Share of rows that have no partner, which were left as they are."""
    importance: Change
    """What comes of any other input's output in its place."""
    explained: bool
    also: tuple[Concept, ...] = ()
    """Other concepts that say the same on every row."""

    @property
    def concept(self) -> str:
        """In words."""
        return ", with ".join(factor.name for factor in self.factors) if self.factors else "nothing offered"


@dataclass(frozen=True)
class Survival:
    """What is left of the behaviour in a test of all nodes at once."""

    same: Interval
    """Share of inputs of which every answer is the model's."""
    accuracy: Interval
    """Share of right answers."""
    kl: Interval
    """From the model's answers, in nats a mean answer."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A model's algorithm as far as it was found, with all that could have shown it wrong."""

    nodes: tuple[Carried, ...]
    """Those that matter, in the order of the computation."""
    idle: tuple[Node, ...]
    """Those that do not."""
    survival: Mapping[str, Survival]
    """By test: "flat", "recursive", "tables", "heads", and the baselines "true label", "most frequent"."""
    worst: tuple[tuple[Node, float], ...]
    """Which nodes' steps lose most in the recursive test: share of inputs won back if each is left alone."""
    model_accuracy: float
    inputs: int
    seconds: float
    written: Written | None = None
    """The same as a program."""

    @property
    def explained(self) -> float:
        """How much of the model is explained: the weaker of the two joint tests, in inputs answered alike."""
        return min(self.survival[test].same.mean for test in ("flat", "recursive"))
