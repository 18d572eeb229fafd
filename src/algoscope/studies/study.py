"""The nouns of a study: findings that could have turned out false, sections, and the study itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from plotly.graph_objects import Figure

from algoscope.tasks.display import Shown

Value = float | int | str | bool | list["Value"] | None
"""What was measured: a number, a head ("2.0"), a grid as nested lists; None if it could not be measured."""


@dataclass(frozen=True)
class Finding:
    """A claim with its measurement, and what would have refuted it."""

    id: str
    """Stable and kebab-case, the same for every model of a task: `elevation-head`."""
    claim: str
    """One sentence that the measurement supports or refutes."""
    value: Value
    unit: str
    """What the value counts in ("share of examples", "logits", "head"); empty for a plain number."""
    expected: str
    """The threshold that was fixed before looking, in words: "at least 0.99"."""
    holds: bool | None
    """Whether the measurement met the expectation; None where there was nothing to expect or to measure."""
    source: str
    """Where the claim was first made: "ARENA 1.5.1", "algoscope"."""
    reason: str = ""
    """Why the value is None, or what the reader should know about it."""
    quote: str = ""
    """For a claim of a published text: the words that are put to the test."""

    def __post_init__(self) -> None:
        assert self.value is not None or self.reason, f"{self.id} has no value and no reason for that"
        assert not (isinstance(self.value, float) and not math.isfinite(self.value)), f"{self.id}: not finite"

    @property
    def verdict(self) -> str:
        """One word for a reader: holds, refuted, or, where nothing could be decided, open."""
        return "open" if self.holds is None else "holds" if self.holds else "refuted"

    @property
    def shown(self) -> str:
        """The value as text, rounded to what a reader wants to see; a dash for one that is missing."""
        if self.value is None:
            return "–"
        return _shown(self.value)

    def to_dict(self) -> dict[str, object]:
        """What `findings.json` holds of it, but for the section; `reason` and `quote` where there is one."""
        record: dict[str, object] = {
            "id": self.id,
            "claim": self.claim,
            "value": self.value,
            "unit": self.unit,
            "expected": self.expected,
            "holds": self.holds,
            "source": self.source,
        }
        optional = {"reason": self.reason, "quote": self.quote}
        return record | {name: text for name, text in optional.items() if text}


def _shown(value: Value) -> str:
    if value == []:
        return "none"
    if isinstance(value, list):
        return ", ".join(f"({_shown(each)})" if isinstance(each, list) else _shown(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Illustration:
    """A figure with the sentence that says what to see in it."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows that a reader wants to compare."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    """Numbers are rounded for the reader; None is a dash."""
    caption: str


@dataclass(frozen=True)
class ShownInput:
    """One input of the task, as a reader wants to see it, and what the model made of it."""

    shown: Shown
    note: str


@dataclass(frozen=True)
class Section:
    """A question, what was found, and the figures that show it."""

    id: str
    question: str
    text: str
    """What was done and how to read it, one paragraph of plain text."""
    findings: tuple[Finding, ...] = ()
    """The most important first: a page's summary shows that one."""
    illustrations: tuple[Illustration, ...] = ()
    tables: tuple[Table, ...] = ()
    inputs: tuple[ShownInput, ...] = ()
    overview: tuple[Illustration, ...] = ()
    """Figures that belong at the top of the page, in its summary."""


@dataclass(frozen=True)
class Study:
    """An ordered list of questions put to one model, with all that is needed to ask them again."""

    title: str
    task: str
    model: Mapping[str, object]
    """`name`, `config`, `training` (the record, or None), and `inferred`: what was inferred from what."""
    data: Mapping[str, object]
    """`source`, `count`, and `groups`: how many of each kind."""
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for section in self.sections for finding in section.findings)

    @property
    def quoted(self) -> tuple[Finding, ...]:
        """The findings that put words of a published text to the test."""
        return tuple(finding for finding in self.findings if finding.quote)

    @property
    def overview(self) -> tuple[Illustration, ...]:
        return tuple(illustration for section in self.sections for illustration in section.overview)

    def to_dict(self) -> dict[str, object]:
        """What `findings.json` holds."""
        findings = [
            finding.to_dict() | {"section": section.id}
            for section in self.sections
            for finding in section.findings
        ]
        return {
            "model": dict(self.model),
            "task": self.task,
            "data": dict(self.data),
            "seed": self.seed,
            "versions": dict(self.versions),
            "findings": findings,
        }
