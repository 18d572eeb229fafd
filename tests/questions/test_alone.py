from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from algoscope.analysis.accuracy import Score
from algoscope.discovery.smallest import Smallest, smallest
from algoscope.model.component import Component
from algoscope.questions.alone import _findings, alone
from algoscope.questions.seen import see

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hand = load("by_hand")


@pytest.fixture
def asked(majority):
    """`asked(model)`: what the model makes of majority."""
    return lambda model: see(model, majority, majority.sample(600, seed=0))


def counting(*scales: float, **settings):
    """A head of one layer for each scale, which counts ones, and writes that times the scale."""
    model = hand.blank(6, n_heads=len(scales), **settings)
    for head, scale in enumerate(scales):
        hand.counts(model, head, scale)
    return model


def test_a_head_that_decides_does_the_task_alone_and_nothing_is_left_without_it(asked, found, verdicts):
    section = alone(asked(counting(0, 2, 0)))
    assert verdicts(section) == {"alone-share": "holds", "alone-accuracy": "holds", "alone-without": "holds"}
    assert found(section)["alone-share"].value == pytest.approx(1 / 3)
    assert found(section)["alone-share"].said == "1 of 3: 0.1"
    assert found(section)["alone-accuracy"].value == [1.0]
    assert found(section)["alone-accuracy"].said.startswith("100.0% right, of 100.0%; chance ")
    assert found(section)["alone-without"].value == [pytest.approx(0)]


def test_of_two_heads_that_do_the_same_the_other_does_it_without_the_first(asked, found, verdicts):
    section = alone(asked(counting(2, 2)))
    assert found(section)["alone-share"].value == 0.5
    assert verdicts(section)["alone-without"] == "refuted"
    assert found(section)["alone-without"].value == [1.0]


def test_a_model_that_needs_all_of_its_parts_has_no_smaller_set(asked, found, verdicts):
    section = alone(asked(counting(2)))
    assert verdicts(section) == {"alone-share": "refuted", "alone-accuracy": "open", "alone-without": "open"}
    assert found(section)["alone-share"].value == 1.0


def test_of_a_model_that_guesses_there_is_nothing_to_keep(asked, verdicts):
    section = alone(asked(counting(0, 0)))
    assert set(verdicts(section).values()) == {"open"}
    assert (section.illustrations, section.tables) == ((), ())


def test_a_set_that_fails_on_other_inputs_does_not_do_the_task_alone():
    def score(accuracy):
        return {0: Score(accuracy, 0.1, round(100 * accuracy), 100)}

    parts = (Component.parse("0.0"),), (Component.parse("0.1"),)
    found = Smallest(*parts, whole=score(1.0), alone=score(0.7), without=score(0.5), chance={0: 0.5})
    _, accuracy, without = _findings(found)
    assert (accuracy.value, accuracy.verdict) == ([pytest.approx(0.4)], "refuted")
    assert (without.value, without.verdict) == ([0.0], "holds")


def test_every_answer_is_told_apart(seen_echo, found):
    section = alone(seen_echo)
    assert found(section)["alone-accuracy"].value == [1.0] * 4
    assert "answer 3: 100.0% right" in found(section)["alone-accuracy"].said
    figure = section.illustrations[0].figure
    assert list(figure.data[0].x) == [f"answer {number}" for number in range(4)]
    assert figure.layout.yaxis.title.text == "share of answers that<br>are right"


def test_chance_is_the_most_common_answer_or_what_is_right_without_any_part(majority):
    """All but a fifth are ones, and the model without its head says so: whichever is more, four fifths."""
    inputs = majority.examples(majority.encode((["11110"] * 4 + ["00001"]) * 60))
    found = smallest(counting(2, 0), inputs)
    assert found.chance[0] == pytest.approx(0.8, abs=0.05)
    assert found.numbers == (0,)


def test_an_answer_that_needs_no_part_is_not_asked_about(echo, echo_model):
    """The last letter is always a, and the biases say a: there is nothing to keep at the last answer."""
    inputs = echo.sample(300, seed=1).tokens
    inputs[:, 3] = 0
    found = smallest(echo_model, echo.examples(inputs))
    assert found.numbers == (0, 1, 2)
    assert found.parts == (Component.parse("0.0"),)


def test_a_set_is_judged_by_its_worst_answer(echo, echo_model):
    """Head 0.1 answers the third letter, and no other; without it, three answers in four would do."""
    attention = echo_model.block(0).attn
    for head, on in ((0, torch.tensor([1.0, 1, 0, 1])), (1, torch.tensor([0.0, 0, 1, 0]))):
        for matrix in (attention.W_Q, attention.W_K, attention.W_V, attention.W_O):
            matrix[head] = 0.0
        # A place that is marked looks at itself, by its position; the rest look evenly.
        attention.W_Q[head, 4:8] = 99 * torch.diag(on)
        attention.W_K[head, 4:8] = torch.eye(4)
        attention.W_V[head, :4] = torch.eye(4)
        attention.W_O[head, :, 8:] = 8 * torch.eye(4)
    found = smallest(echo_model, echo.sample(400, seed=0))
    assert len(found.parts) == 2
    assert found.rest == ()
