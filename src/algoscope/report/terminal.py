"""A study's findings for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from algoscope.errors import printable
from algoscope.questions.claim import Finding
from algoscope.questions.study import Study

LONGEST = 20
"""Characters of a value."""
STYLES = {"holds": "green", "refuted": "bold red", "open": "dim"}


def findings_table(study: Study) -> Table:
    """One line per finding, and one for all of a section that could not be measured for the same reason.

    Texts are shown as they are: nothing in them is read as markup. What a narrow terminal has no room for is
    cut off: the page and findings.json have all of it.
    """
    table = Table(
        title=Text(study.title), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for heading in ("verdict", "finding", "value", "unit", "bound"):
        table.add_column(heading, no_wrap=heading in ("verdict", "finding", "value"))
    for section in study.sections:
        for finding in section.judged:
            table.add_row(*_fixed(finding, finding.id), *map(_cut, (finding.claim.unit, _bound(finding))))
        for reason, findings in section.open.items():
            more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
            table.add_row(*_fixed(findings[0], findings[0].id + more), _cut(""), _cut(reason))
    return table


def study_words(study: Study) -> str:
    """How the model does its task, a sentence a line; empty if no question says so."""
    return "\n".join(printable(sentence.text) for sentence in study.words)


def _fixed(finding: Finding, name: str) -> tuple[Text, Text, Text]:
    return Text(finding.verdict, STYLES[finding.verdict]), Text(name), Text(_short(finding.shown))


def _bound(finding: Finding) -> str:
    """The bound, with what qualifies the verdict."""
    marks = ["untrained too"] if finding.holds and finding.untrained else []
    marks += ["hangs on it"] if finding.hangs else []
    return str(finding.claim.bound) + (f" ({', '.join(marks)})" if marks else "")


def _cut(text: str) -> Text:
    """Only these columns give way, and to one line each: a tall table is a table nobody reads."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
