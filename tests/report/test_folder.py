from __future__ import annotations

import pytest

from algoscope.errors import UserError
from algoscope.report.folder import check_folder, write_folder


def test_a_study_leaves_a_page_and_its_findings_and_nothing_else(evil_study, tmp_path):
    assert write_folder(evil_study, tmp_path / "out") == tmp_path / "out/report.html"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["findings.json", "report.html"]


def test_a_folder_below_a_file_is_refused_beforehand(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file; choose another folder with --out"):
        check_folder(tmp_path / "file/out")
    check_folder(tmp_path / "new/out")
