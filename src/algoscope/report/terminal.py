"""A study's findings for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from algoscope.questions.claim import Finding
from algoscope.questions.study import Study

LONGEST = 20
"""Characters of a value."""
STYLES = {"holds": "green", "refuted": "bold red", "open": "dim"}


def findings_table(study: Study) -> Table:
    """One line per finding. Texts are shown as they are: nothing in them is read as markup.

    What a narrow terminal has no room for is cut off: the page and findings.json have all of it.
    """
    table = Table(
        title=Text(study.title), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for heading in ("verdict", "finding", "value", "unit", "bound"):
        table.add_column(heading, no_wrap=heading in ("verdict", "finding", "value"))
    for finding in study.findings:
        identity, value, *rest = _cells(finding)
        fixed = Text(finding.verdict, STYLES[finding.verdict]), Text(identity), Text(_short(value))
        # Only these two columns give way, and to one line each: a tall table is a table nobody reads.
        table.add_row(*fixed, *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in rest))
    return table


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    missing = finding.value is None
    bound = str(finding.claim.bound)
    unit, why = ("", finding.note) if missing else (finding.claim.unit, bound)
    return finding.id, finding.shown, unit, why


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
