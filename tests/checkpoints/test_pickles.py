"""Pickles that would fill the memory, or never end, written by hand: torch.save writes none."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch

from algoscope.checkpoints.content import read_content
from algoscope.checkpoints.pickles import refuse_endless
from algoscope.errors import UserError


def doubled(times):
    """The code of a tuple of one tuple twice, and so on: 2^times values in a few bytes."""
    code = b"\x80\x02)q\x00"
    for place in range(times):
        code += b"h" + bytes([place]) + b"h" + bytes([place]) + b"\x86q" + bytes([place + 1])
    return code


BOMBS = {
    "as a dict's key": (doubled(60) + b"0}h\x3cK\x01s.", "without end"),
    "as a value": (doubled(60) + b".", "without end"),
    "a bytearray of a terabyte": (
        b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.",
        "bytearray",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, name, zipped):
    code, says = BOMBS[name]
    path = tmp_path / "bomb.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("bomb/data.pkl", code)
            file.writestr("bomb/version", "3")
    else:
        path.write_bytes(code)
    with pytest.raises(UserError, match=says):
        read_content(path)


def test_code_that_is_not_named_as_python_names_things_does_not_reach_the_terminal(tmp_path):
    path = tmp_path / "evil.pt"
    path.write_bytes(b"\x80\x02cos\x1b[31m\nsystem\n.")
    with pytest.raises(UserError) as error:
        read_content(path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_torch_saves_is_let_through(tmp_path, legacy, protocol):
    shared = (1, 2, 3)
    content = {
        "model": {f"w{n}": torch.ones(2) for n in range(300)},
        "records": [shared] * 1000,
        shared: None,
    }
    path = tmp_path / "fine.pt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    refuse_endless(path, zipped=not legacy)
    if protocol == 2:
        assert len(read_content(path).tensors) == 300


def test_the_bomb_is_one():
    small = pickle.loads(doubled(10) + b".")
    for _ in range(10):
        small = small[0]
    assert small == ()
