"""What became of the answers when a concept alone decided what stands at a node."""

from __future__ import annotations

from dataclasses import dataclass

from algoscope.explanation.lexicon import Factors
from algoscope.explanation.trial import Change

SLACK_KL = 0.1
"""Share of a node's effect that may be lost."""
SLACK_CHANGED = 0.01
"""Share of inputs that may be answered otherwise."""
ALONE = 0.2
"""Share of rows for which there may be no partner."""


@dataclass(frozen=True, eq=False)
class Tested:
    """A concept of a node, and what became of the answers when it alone decided what stands there."""

    factors: Factors
    bits: float
    change: Change
    """Beyond what had moved already."""
    anything: Change
    """The same with nothing kept."""
    alone: float
    """Share of rows that no other row agrees with."""
    untried: float
    """The same without those whose like is common: where a concept says all that a node can have seen, it
    is carried for want of an alternative, not because nothing was tried."""

    @property
    def carried(self) -> float:
        """1: all that the node does is kept. 0: no more than with any other input's output."""
        return 1 - self.change.kl / self.anything.kl if self.anything.kl > 0 else 1.0

    @property
    def lost(self) -> float:
        """How much is lost, of what nothing at all would lose: the worse of answers and distributions."""
        kl = self.change.kl / max(self.anything.kl, 0.02)
        return max(kl, self.change.changed / max(self.anything.changed, 0.01)) + self.untried

    @property
    def passes(self) -> bool:
        """Whether nothing speaks against the concept explaining the node."""
        most = self.anything.changed
        return (
            self.change.kl <= SLACK_KL * self.anything.kl + 0.0005
            and self.change.changed <= max(min(SLACK_CHANGED, 0.15 * most), 0.02 * most)
            and self.untried <= ALONE
        )

    @property
    def enough(self) -> bool:
        """Whether the concept explains the node, and that could have turned out otherwise.

        The more facts are taken together, the more such were there to choose from, and the less may be lost.
        """
        return self.passes and self.alone <= ALONE and 1 - self.carried <= self.slack

    @property
    def slack(self) -> float:
        """Share of a node's effect that may be lost for the concept to count as explaining it."""
        return SLACK_KL / max(len(self.factors), 1)
