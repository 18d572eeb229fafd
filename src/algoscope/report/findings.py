"""A study's findings for other programs."""

from __future__ import annotations

import json
from pathlib import Path

from algoscope import atomic
from algoscope.questions.study import Study


def findings_json(study: Study) -> str:
    """The study as JSON text: model, task, data, seed, versions and findings. Numbers are finite."""
    return json.dumps(study.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_findings(study: Study, path: Path) -> None:
    """Write `findings.json`. Raises UserError if the file can't be written."""
    atomic.write(path, findings_json(study))
