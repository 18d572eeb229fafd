import pytest

from algoscope import atomic
from algoscope.errors import UserError


def test_writing_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "page"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        atomic.write(path, "half \ud800")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["page"]


def test_what_can_not_be_written_is_a_users_error(tmp_path):
    (tmp_path / "page").mkdir()
    with pytest.raises(UserError, match=r"can't write .*page: "):
        atomic.write(tmp_path / "page", "text")
    assert [found.name for found in tmp_path.iterdir()] == ["page"]
