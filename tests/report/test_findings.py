from __future__ import annotations

import json
from dataclasses import replace

import pytest

from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim
from algoscope.report.findings import findings_json, write_findings


def test_the_file_has_the_documented_keys(evil_study, tmp_path):
    write_findings(evil_study, tmp_path / "findings.json")
    record = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert set(record) == {"model", "task", "data", "seed", "versions", "findings", "checks"}
    always = {"id", "claim", "value", "unit", "bound", "holds", "verdict", "section", "source"}
    always |= {"hangs_on_bound", "untrained_model_too"}
    assert [set(finding) - always for finding in record["findings"]] == [
        {"measured", "note", "quote"},
        {"measured"},
        {"note"},
    ]
    assert all(always <= set(finding) for finding in record["findings"])
    assert record["findings"][2]["value"] is None


def test_a_number_that_is_not_finite_can_be_no_value():
    with pytest.raises(AssertionError, match="not finite"):
        Claim("odd", "It is odd.", "", at_least(1)).measured(float("nan"))


def test_nan_from_elsewhere_is_refused_rather_than_written(evil_study):
    with pytest.raises(ValueError, match="not JSON compliant"):
        findings_json(replace(evil_study, data={"count": float("nan")}))
