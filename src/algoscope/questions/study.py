"""What a study is made of: sections with findings and figures, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from plotly.graph_objects import Figure

from algoscope.explanation.words import Sentence
from algoscope.figures.circuit import Drawing
from algoscope.questions.claim import Finding
from algoscope.tasks.display import Shown


@dataclass(frozen=True)
class Illustration:
    """A figure with the sentence that says what to see in it."""

    figure: Figure | Drawing
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
    checks: tuple[Finding, ...] = ()
    """Of our own arithmetic (sums, rounding, identities): shown apart, and not counted as findings."""
    overview: tuple[Illustration, ...] = ()
    """Figures that belong at the top of the page, in its summary."""
    words: tuple[Sentence, ...] = ()
    """What was found, in sentences, at the very top. What each rests on are rows of the first table."""

    @property
    def judged(self) -> tuple[Finding, ...]:
        """The findings with a verdict."""
        return tuple(finding for finding in self.findings if finding.holds is not None)

    @property
    def open(self) -> Mapping[str, tuple[Finding, ...]]:
        """The findings that could not be measured, by the reason: one that many share is told once."""
        reasons: dict[str, tuple[Finding, ...]] = {}
        for finding in self.findings:
            if finding.holds is None:
                reasons[finding.note] = (*reasons.get(finding.note, ()), finding)
        return reasons


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
        return tuple(finding for finding in self.findings if finding.claim.quote)

    @property
    def checks(self) -> tuple[Finding, ...]:
        return tuple(check for section in self.sections for check in section.checks)

    def __getitem__(self, identity: str) -> Finding:
        """The finding or check with this id. Raises KeyError, with the nearest id, if there is none."""
        known = {finding.id: finding for finding in (*self.findings, *self.checks)}
        if identity not in known:
            near = get_close_matches(identity, known, n=1, cutoff=0)
            raise KeyError(f"no finding {identity!r}: did you mean {near[0]!r}?" if near else "no findings")
        return known[identity]

    @property
    def words(self) -> tuple[Sentence, ...]:
        return tuple(sentence for section in self.sections for sentence in section.words)

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
        checks = [
            check.to_dict() | {"section": section.id} for section in self.sections for check in section.checks
        ]
        return {
            "model": dict(self.model),
            "task": self.task,
            "data": dict(self.data),
            "seed": self.seed,
            "versions": dict(self.versions),
            "findings": findings,
            "checks": checks,
        }
