"""A published text about models of a task: what it asks beyond the standard questions, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from algoscope.questions.claim import Finding
from algoscope.questions.standard import Question
from algoscope.questions.study import Section


@dataclass(frozen=True)
class Wording:
    """How a text says what a standard finding tests. Id, unit and bound stay as they are."""

    quote: str
    """Verbatim; cuts are marked "…"."""
    sentence: str = ""
    """In place of the standard sentence, if the text claims the same thing of something narrower."""


@dataclass(frozen=True)
class Story:
    """A text put to the test on one model: thin, on top of what every task is asked."""

    source: str
    """What the text is called: "ARENA 1.5.1"."""
    questions: tuple[Question, ...] = ()
    """The text's own, asked before the standard ones, in the order of its argument."""
    wordings: Mapping[str, Wording] = field(default_factory=dict)
    """By the id of a standard finding."""

    def told(self, section: Section) -> Section:
        """A standard section in the text's words."""
        return replace(section, findings=tuple(self._worded(finding) for finding in section.findings))

    def _worded(self, finding: Finding) -> Finding:
        wording = self.wordings.get(finding.id)
        if wording is None:
            return finding
        return replace(finding, claim=finding.claim.worded(wording.sentence, self.source, wording.quote))
