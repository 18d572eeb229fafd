"""Findings in the making: measured against a threshold, or not measurable for a reason."""

from __future__ import annotations

from dataclasses import dataclass

from algoscope.studies.study import Finding, Value

TEXT = "ARENA 1.5.1"
OURS = "algoscope"


@dataclass(frozen=True)
class Claim:
    """What a finding will say, before it is known whether it holds."""

    id: str
    claim: str
    """In general terms: what is said where nothing could be measured."""
    unit: str
    expected: str
    quote: str = ""
    source: str = ""

    def found(self, value: Value, holds: bool | None, claim: str = "", reason: str = "") -> Finding:
        """The finding with its measurement; `claim` may put the same in terms of this model."""
        return Finding(
            self.id,
            claim or self.claim,
            value,
            self.unit,
            self.expected,
            holds,
            self._source,
            reason,
            self.quote,
        )

    def missing(self, reason: str) -> Finding:
        """The finding that nothing could be measured, and why."""
        return self.found(None, None, reason=reason)

    @property
    def _source(self) -> str:
        return self.source or (TEXT if self.quote else OURS)
