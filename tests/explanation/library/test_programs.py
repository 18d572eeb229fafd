"""Programs whose every step is known: is each step a concept of the library?"""

from __future__ import annotations

import pytest
from torch import Tensor

from algoscope.compiled.codes import codes
from algoscope.compiled.lowered import lower
from algoscope.compiled.placed import place
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.compiled.task import ProgramTask
from algoscope.explanation.inputs import read_inputs, read_language
from algoscope.explanation.lexicon import knows
from algoscope.explanation.library.every import concepts

PLAIN = (
    "histogram", "distinct", "previous-token", "last-token", "reverse-any-length", "palindrome",
    "same-as-first", "rank", "maximum", "depth", "running-difference", "prefix-of-a",
)  # fmt: skip


def unexplained(name: str) -> list[str]:
    """The steps of a program that no concept agrees with which their component can know."""
    program = PROGRAMS[name]
    placed = place(lower(program))
    task = ProgramTask(placed)
    examples = task.sample(200, 0)
    language = read_language(task, examples, program.causal)
    inputs = read_inputs(examples, language)
    offered = [concept for concept in concepts(task, language, inputs) if not concept.answer]
    # <bos> is where heads rest, and what it holds there is a convention of the compiler.
    said = [(concept, pattern(concept.of(inputs)[inputs.letter])) for concept in offered]
    found = codes(placed, examples.tokens)
    return [
        variable.name
        for expression, variable in placed.variables.items()
        if variable.component.layer >= 0
        and pattern(
            (found[expression] if variable.is_number else variable.classes[found[expression]])[inputs.letter]
        )
        not in [each for concept, each in said if knows(variable.component, concept, program.causal)]
    ]


def pattern(codes: Tensor) -> tuple[int, ...]:
    """The same for all codes that tell the same places apart: each by the number of its first place."""
    first: dict[int, int] = {}
    return tuple(first.setdefault(code, index) for index, code in enumerate(codes.tolist()))


@pytest.mark.parametrize("name", PLAIN)
def test_each_step_of_a_plain_program_is_a_concept(name: str):
    assert unexplained(name) == []


def test_a_step_that_joins_two_facts_is_left_to_the_search():
    assert unexplained("parity-at-even-places") == ["an a at an even position"]
