from __future__ import annotations

import pytest

from algoscope.compiled.codes import codes
from algoscope.compiled.interpreter import evaluate
from algoscope.compiled.programs.library import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_codes_are_the_classes_of_what_the_interpreter_finds(name, compiled, text_of):
    each = compiled(name)
    tokens = each.task.sample(12, seed=2).tokens
    found = codes(each.placed, tokens)
    for row, token_row in enumerate(tokens):
        words = ("<bos>", *text_of(each, token_row))
        for variable in each.variables:
            values = evaluate(variable.expression, words, each.program.causal)
            expected = [variable.kept[value] for value in values]
            assert found[variable.expression][row, : len(words)].tolist() == expected, str(variable)
