"""The folder that a study leaves behind."""

from __future__ import annotations

from pathlib import Path

from algoscope.errors import UserError
from algoscope.questions.study import Study
from algoscope.report.findings import write_findings
from algoscope.report.page import write_page

PAGE, FINDINGS = "report.html", "findings.json"


def check_folder(folder: Path) -> None:
    """Raises UserError for what can't become a folder, before an analysis is run in vain."""
    for part in (folder, *folder.parents):
        if part.exists():
            if not part.is_dir():
                raise UserError(
                    f"can't write to {folder}: {part} is a file; choose another folder with --out"
                )
            return


def write_folder(study: Study, folder: Path) -> Path:
    """Write `report.html` and `findings.json`, and return the page's path. Raises UserError if it can't."""
    write_findings(study, folder / FINDINGS)
    write_page(study, folder / PAGE)
    return folder / PAGE
