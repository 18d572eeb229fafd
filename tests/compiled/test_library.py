"""Every program's model against what the program should answer, written down without the language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from algoscope.compiled.interpreter import run
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.tasks.door import check

DOCS = Path(__file__).parents[2] / "docs/compiled.md"


def every(answer: Callable[[str, int], Any]) -> Callable[[str], list[Any]]:
    """An answer at each place of the text, counted from 0."""
    return lambda text: [answer(text, place) for place in range(len(text))]


def once(answer: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    return lambda text: [answer(text)]


def at(text: str, place: int) -> str:
    return text[place] if 0 <= place < len(text) else "<bos>"


def behind(text: str, letter: str) -> str:
    """What stands behind the first such letter."""
    return at(text, text.index(letter) + 1)


def heights(text: str) -> list[int]:
    """Opened less closed after each bracket."""
    return [2 * text[:end].count("(") - end for end in range(1, len(text) + 1)]


def matched(text: str) -> bool:
    """Whether nothing is left when pairs are taken out."""
    while "()" in text:
        text = text.replace("()", "")
    return not text


def leader(text: str) -> str:
    a, b = text.count("a"), text.count("b")
    return "neither" if a == b else "a" if a > b else "b"


ANSWERS: dict[str, Callable[[str], list[Any]]] = {
    "histogram": every(lambda text, i: text.count(text[i])),
    "is-repeated": every(lambda text, i: text[i] in text[:i] + text[i + 1 :]),
    "count-a": once(lambda text: text.count("a")),
    "count-a-modulo-3": once(lambda text: text.count("a") % 3),
    "parity-so-far": every(lambda text, i: sum(map(int, text[: i + 1])) % 2 == 1),
    "parity-at-even-places": once(lambda text: text[1::2].count("a") % 2 == 1),
    "most-frequent": once(lambda text: max("abc", key=text.count)),
    "distinct": once(lambda text: len(set(text))),
    "all-the-same": once(lambda text: len(set(text)) == 1),
    "majority": once(lambda text: text.count("a") > text.count("b")),
    "ahead-so-far": every(lambda text, i: leader(text[: i + 1])),
    "running-difference": every(lambda text, i: text[: i + 1].count("a") - text[: i + 1].count("b")),
    "at-least-half": once(lambda text: 2 * text.count("a") >= len(text)),
    "previous-token": every(lambda text, i: at(text, i - 1)),
    "next-token": every(lambda text, i: at(text, i + 1)),
    "two-back": every(lambda text, i: at(text, i - 2)),
    "first-token": once(lambda text: text[0]),
    "last-token": every(lambda text, i: text[-1]),
    "reverse": every(lambda text, i: text[::-1][i]),
    "reverse-any-length": every(lambda text, i: text[::-1][i]),
    "palindrome": once(lambda text: text == text[::-1]),
    "same-as-first": every(lambda text, i: text[i] == text[0]),
    "induction": every(lambda text, i: behind(text[: i + 1], text[i])),
    "after-marker": once(lambda text: behind(text, "x") if "x" in text else "<bos>"),
    "maximum": once(max),
    "rank": every(lambda text, i: sum(other < text[i] for other in text)),
    "sort": every(lambda text, i: sorted(text)[i]),
    "ascending": once(lambda text: list(text) == sorted(text)),
    "a-before-b": once(lambda text: "a" in text and "b" in text[text.index("a") :]),
    "contains-ab": once(lambda text: "ab" in text),
    "prefix-of-a": once(lambda text: len(text) - len(text.lstrip("a"))),
    "first-unique": once(lambda text: next((each for each in text if text.count(each) == 1), "<bos>")),
    "total-zero": once(lambda text: text.count("(") == text.count(")")),
    "never-negative": once(lambda text: min(heights(text)) >= 0),
    "balanced": once(matched),
    "depth": every(lambda text, i: heights(text)[i]),
    "deepest": once(lambda text: min(3, max(0, *heights(text)))),
    "previous-token-by-vote": every(lambda text, i: at(text, i - 1)),
    "two-back-by-vote": every(lambda text, i: at(text, i - 2)),
    "palindrome-by-vote": once(lambda text: text == text[::-1]),
    "histogram-by-vote": every(lambda text, i: text.count(text[i])),
    "contains-a-by-vote": once(lambda text: "a" in text),
    "never-negative-by-vote": once(lambda text: min(heights(text)) >= 0),
}


def test_there_are_at_least_25_programs_with_a_question_and_a_name_each():
    assert len(PROGRAMS) >= 25
    assert all("?" in each.asks and "\n" not in each.asks for each in PROGRAMS.values())
    assert set(ANSWERS) == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_model_answers_every_input_as_its_program_should(name, compiled, text_of):
    plain, hidden = compiled(name), compiled(name, Noise())
    tokens = plain.task.every_input()
    assert tokens is not None, "small enough to ask for all"
    truth = [answer for row in tokens for answer in ANSWERS[name](text_of(plain, row))]
    for each in (plain, hidden):
        chosen = each.model(tokens)[each.task.answered(tokens)].argmax(-1)
        assert [each.task.answers[index] for index in chosen.tolist()] == truth


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_interpreter_answers_as_the_program_should(name, compiled, text_of):
    tokens = compiled(name).task.sample(30, seed=3).tokens
    for text in (text_of(compiled(name), row) for row in tokens):
        assert run(PROGRAMS[name], text) == ANSWERS[name](text), text


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_a_task_that_passes_the_door(name, compiled):
    assert check(compiled(name).task, ()) is compiled(name).task


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_docs_have_each_program_with_its_sizes(name, compiled):
    program, config = PROGRAMS[name], compiled(name).model.config
    lengths = " to ".join(str(length) for length in sorted({program.lengths[0], program.longest}))
    sees = "causal" if program.causal else "both ways"
    neurons = config.d_mlp or "none"
    sizes = f"{config.n_layers} | {config.n_heads} | {neurons} | {config.d_model}"
    line = f"| `{name}` | {program.asks} | {program.alphabet}, {lengths} | {sees} | {sizes} |\n"
    assert line in DOCS.read_text()
