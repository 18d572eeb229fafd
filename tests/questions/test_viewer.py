from __future__ import annotations

import numpy as np

import algoscope
from algoscope.questions.seen import see
from algoscope.questions.viewer import viewer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.palindromes import Palindromes


def seen(strings):
    task = Brackets()
    return see(algoscope.load("brackets"), task, task.examples(task.encode(strings)))


def test_each_kind_shows_its_longest_short_input_as_the_model_attends_to_it():
    looked = seen(["()", "(())", "(" * 40, "))", ")()("])
    (shown,) = viewer(looked)
    menu = [button.label for button in shown.figure.layout.updatemenus[0].buttons]
    assert len(menu) == 3
    assert menu[-1] == "balanced: [start] (()) [end]"
    _, cache = looked.model.run_with_cache(Brackets().encode(["(())"]), ["blocks.1.attn.hook_pattern"])
    expected = cache["blocks.1.attn.hook_pattern"][0, 0, :6, :6].numpy()
    assert any(
        np.shape(trace.z) == (6, 6) and np.allclose(trace.z, expected, atol=1e-5)
        for trace in shown.figure.data
    )


def test_inputs_that_are_all_long_are_not_shown():
    task = Palindromes()
    assert viewer(see(algoscope.load("palindromes"), task, task.sample(20, 0))) == ()
