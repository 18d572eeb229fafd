"""What is shown of an input, in a terminal, in a pipe and in a notebook."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from algoscope.tasks.brackets import Brackets
from algoscope.tasks.display import Shown
from algoscope.tasks.palindromes import Palindromes


def in_terminal(shown: Shown) -> str:
    console = Console(force_terminal=True, color_system="standard", file=io.StringIO(), width=200)
    console.print(shown, end="")
    return console.file.getvalue()


def test_an_offending_bracket_is_highlighted_in_a_terminal():
    task = Brackets()
    assert in_terminal(task.show(task.encode(["())"])[0])) == "[start] ()\x1b[1;7;31m)\x1b[0m [end]"


def test_a_mismatched_pair_is_highlighted_in_a_terminal():
    task = Palindromes()
    shown = in_terminal(task.show(task.encode([[5, *[1] * 18, 30]])[0]))
    assert re.findall(r"\x1b\[1;7;31m(\d+)\x1b\[0m", shown) == ["5", "30"]


def test_a_balanced_string_has_no_highlight():
    task = Brackets()
    shown = task.show(task.encode(["(())"])[0])
    assert "\x1b" not in in_terminal(shown)
    assert "<mark" not in shown._repr_html_()


def test_token_texts_are_escaped_in_html():
    html = Shown((("<b>", False), ("&", True)))._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert re.search(r"<mark[^>]*>&amp;</mark>", html)


def test_a_pipe_gets_the_text_alone(capsys):
    task = Brackets()
    print(task.show(task.encode([")("])[0]))
    assert capsys.readouterr().out == "[start] )( [end]\n"


@given(st.lists(st.tuples(st.text("()[]01<>bold/", min_size=1, max_size=6), st.booleans())))
def test_no_token_is_taken_for_markup(tokens: list[tuple[str, bool]]):
    shown = Shown(tuple(tokens))
    without_colour = re.sub(r"\x1b\[[\d;]*m", "", in_terminal(shown))
    assert without_colour.replace("\n", "").replace(" ", "") == "".join(text for text, _ in tokens)
    assert shown.plain.replace(" ", "") == "".join(text for text, _ in tokens)
