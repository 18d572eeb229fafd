"""A study's findings for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from algoscope.studies.study import Finding, Study

STYLES = {"holds": "green", "refuted": "bold red", "open": "dim"}


def findings_table(study: Study) -> Table:
    """One row per finding. Texts are shown as they are: nothing in them is read as markup."""
    table = Table(
        title=Text(study.title), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for heading in ("verdict", "finding", "value", "unit", "expected"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("verdict", "finding", "value"))
    for finding in study.findings:
        table.add_row(Text(finding.verdict, STYLES[finding.verdict]), *map(Text, _cells(finding)))
    return table


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    missing = finding.value is None
    return finding.id, finding.shown, "" if missing else finding.unit, finding.reason or finding.expected
