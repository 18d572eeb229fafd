from __future__ import annotations

import pytest

from algoscope.errors import UserError, printable


@pytest.mark.parametrize("text", ["plain", "√d_head × 3", "“quoted”", ""])
def test_what_can_be_printed_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x07", "\u202e", "\ud800", "\x00", "\u2028"])
def test_a_message_is_one_line_that_commands_no_terminal(character):
    message = str(UserError(f"a{character}b"))
    assert message.isprintable()
    assert message.startswith("a\\")
    assert message.endswith("b")
