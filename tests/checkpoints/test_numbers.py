from __future__ import annotations

import numpy as np
import pytest
import torch

from algoscope.checkpoints.content import read_content
from algoscope.errors import UserError


@pytest.mark.parametrize(
    "value",
    [np.float64(0.1), np.float32(2.5), np.int64(-7), np.uint8(3), np.bool_(True), np.dtype(">f8").type(4)],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_numpy_number_is_the_plain_one(tmp_path, value, legacy):
    content = {"model": {"w": torch.ones(2)}, "config": {"x": value}}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    found = read_content(tmp_path / "a.pt").config["x"]
    assert found == value
    assert type(found) in (int, float, bool)


def test_a_number_of_the_other_byte_order_is_the_same_number(tmp_path):
    value = np.array([1.5], dtype=">f8")[0]
    torch.save({"model": {"w": torch.ones(2)}, "config": {"x": value}}, tmp_path / "a.pt")
    assert read_content(tmp_path / "a.pt").config["x"] == 1.5


@pytest.mark.parametrize("value", [np.str_("a"), np.datetime64("2026-01-01"), np.complex128(1j)])
def test_what_is_no_number_is_refused(tmp_path, value):
    torch.save({"model": {"w": torch.ones(2)}, "config": {"x": value}}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="numpy values that are no numbers"):
        read_content(tmp_path / "a.pt")


def test_an_array_is_refused(tmp_path):
    torch.save({"model": {"w": torch.ones(2)}, "losses": np.ones(3)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"numpy values \(numpy"):
        read_content(tmp_path / "a.pt")
