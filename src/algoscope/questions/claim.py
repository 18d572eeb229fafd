"""What is claimed before it is known, and what a measurement makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from algoscope.questions.bound import Bound, Exists

Value = float | int | str | bool | list["Value"] | None
"""What was measured: a number, a head ("2.0"), a grid as nested lists; None if it could not be measured."""

OURS = "algoscope"


@dataclass(frozen=True)
class Claim:
    """A sentence that could turn out false, with the bound that decides. One id, one meaning, one bound.

    >>> from algoscope.questions.bound import at_least
    >>> alone = Claim("alone", "The circuit does the task alone.", "share of answers", at_least(0.95))
    >>> alone.measured(0.97).verdict, alone.measured(0.9).verdict, alone.missing("no circuit").verdict
    ('holds', 'refuted', 'open')
    """

    id: str
    """Stable and kebab-case, the same for every model: `elevation-head`."""
    sentence: str
    """What is tested, in general terms: no number or address that is only known after measuring."""
    unit: str
    """What the value counts in ("share of examples", "logits", "head"); empty for a plain number."""
    bound: Bound | Exists
    source: str = OURS
    """Where the claim was first made: a text, or algoscope."""
    quote: str = ""
    """For a claim of a published text: its words, verbatim; cuts are marked "…"."""

    def measured(self, value: Value, said: str = "", note: str = "") -> Finding:
        """The finding, judged by the bound. `said` is what was measured in terms of this model; `note` is
        what a reader should know about it."""
        assert value is not None, f"{self.id}: give a value, or say why it is missing"
        return Finding(self, value, self.bound.holds(value), said, note)

    def missing(self, reason: str) -> Finding:
        """The finding that nothing could be measured, and why."""
        return Finding(self, None, None, "", reason)

    def worded(self, sentence: str = "", source: str = "", quote: str = "") -> Self:
        """The same claim in the words of a text: id, unit and bound stay."""
        return replace(
            self,
            sentence=sentence or self.sentence,
            source=source or self.source,
            quote=quote or self.quote,
        )


@dataclass(frozen=True)
class Finding:
    """A claim with its measurement. Made by `Claim.measured` and `Claim.missing` only."""

    claim: Claim
    value: Value
    holds: bool | None
    """None where nothing could be measured."""
    said: str = ""
    """What was measured, in terms of this model: "head 2.0 pushes 8.1 logits"."""
    note: str = ""
    """Why the value is missing, or what the reader should know about it."""
    untrained: bool | None = None
    """Whether the claim holds on an untrained model of the same shape too; None if that was not asked."""

    def __post_init__(self) -> None:
        assert self.value is not None or self.note, f"{self.id} has no value and no reason for that"
        assert _finite(self.value), f"{self.id}: not finite"

    @property
    def id(self) -> str:
        return self.claim.id

    @property
    def verdict(self) -> str:
        """One word for a reader: holds, refuted, or, where nothing could be measured, open."""
        return "open" if self.holds is None else "holds" if self.holds else "refuted"

    @property
    def hangs(self) -> bool:
        """Whether moving the bound by a third would turn the verdict."""
        return self.value is not None and self.claim.bound.hangs(self.value)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What qualifies the verdict, in sentences."""
        found = []
        if self.hangs:
            found.append("The verdict hangs on the bound: a third more or less would turn it.")
        if self.holds and self.untrained:
            found.append("An untrained model of this shape meets it too.")
        return tuple(found)

    @property
    def shown(self) -> str:
        """The value as text, rounded to what a reader wants to see; a dash for one that is missing."""
        return "–" if self.value is None else _shown(self.value)

    def to_dict(self) -> dict[str, object]:
        """What `findings.json` holds of it; texts that are empty are left out."""
        record: dict[str, object] = {
            "id": self.id,
            "claim": self.claim.sentence,
            "value": self.value,
            "unit": self.claim.unit,
            "bound": str(self.claim.bound),
            "holds": self.holds,
            "verdict": self.verdict,
            "source": self.claim.source,
            "hangs_on_bound": self.hangs,
            "untrained_model_too": self.untrained,
        }
        optional = {"measured": self.said, "note": self.note, "quote": self.claim.quote}
        return record | {name: text for name, text in optional.items() if text}


def all_missing(claims: Iterable[Claim], reason: str) -> tuple[Finding, ...]:
    """Findings that could not be measured, all for one reason."""
    return tuple(claim.missing(reason) for claim in claims)


def _finite(value: Value) -> bool:
    if isinstance(value, list):
        return all(_finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)


def _shown(value: Value) -> str:
    if value in ([], ""):
        return "none"
    if isinstance(value, list):
        return ", ".join(f"({_shown(each)})" if isinstance(each, list) else _shown(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
