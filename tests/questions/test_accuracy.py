from __future__ import annotations

import math

import pytest
import torch

from algoscope.questions.accuracy import accuracy
from algoscope.questions.seen import see
from algoscope.tasks import registry
from algoscope.tasks.task import Examples


def test_a_model_that_is_right_and_sure_meets_every_claim(seen_echo, found, verdicts):
    section = accuracy(seen_echo)
    assert verdicts(section) == {
        "accuracy": "holds",
        "accuracy-whole-inputs": "holds",
        "accuracy-by-kind": "holds",
        "accuracy-by-answer": "holds",
        "loss": "holds",
    }
    sure = math.log(1 + 3 * math.exp(-8)) / math.log(4)
    assert found(section)["loss"].value == pytest.approx(sure, rel=1e-3)


def test_a_model_that_takes_every_a_for_a_b_is_refuted_where_there_are_as(seen_echo, found, verdicts):
    seen_echo.model.block(0).attn.W_O[0, 0, 8:10] = torch.tensor([0.0, 8.0])
    section = accuracy(seen_echo)
    tokens = seen_echo.examples.tokens
    wrong = (tokens == 0).double()
    value = {name: finding.value for name, finding in found(section).items()}
    assert value["accuracy"] == pytest.approx(1 - wrong.mean().item())
    assert value["accuracy-whole-inputs"] == pytest.approx((wrong.sum(1) == 0).double().mean().item())
    with_a = (tokens == 0).any(1)
    assert value["accuracy-by-kind"] == pytest.approx([1 - wrong[with_a].mean().item(), 1.0])
    assert value["accuracy-by-answer"] == pytest.approx((1 - wrong.mean(0)).tolist())
    assert set(verdicts(section).values()) == {"refuted"}


def test_one_answer_that_is_wrong_is_seen_beside_three_that_are_right(seen_echo, found):
    # The last place's position embedding speaks for d.
    seen_echo.model.W_pos[3, 11] = 20.0
    by_answer = found(accuracy(seen_echo))["accuracy-by-answer"]
    share = (seen_echo.examples.tokens[:, 3] == 3).double().mean().item()
    assert by_answer.value == pytest.approx([1.0, 1.0, 1.0, share])
    assert by_answer.verdict == "refuted"
    assert f"answer 3: {round(400 * share)} of 400" in by_answer.said


def test_a_model_that_is_right_but_unsure_is_told_so(seen_echo, verdicts):
    seen_echo.model.block(0).attn.W_O *= 0.25
    said = verdicts(accuracy(seen_echo))
    assert (said["accuracy"], said["loss"]) == ("holds", "refuted")


def test_answers_at_places_that_differ_are_numbered_within_their_input(seen_echo, found):
    # Even inputs are answered at 1 and 3, odd ones at 3 alone; at 3 every answer is d.
    whole = seen_echo.examples
    answered = torch.zeros_like(whole.answered)
    answered[:, 3] = answered[::2, 1] = True
    examples = Examples(whole.tokens, whole.tokens[answered], whole.concepts, answered)
    seen_echo.model.W_pos[3, 11] = 20.0
    section = accuracy(see(seen_echo.model, seen_echo.task, examples))
    at_3 = whole.tokens[:, 3] == 3
    first = (200 + at_3[1::2].sum().item()) / 400
    assert found(section)["accuracy-by-answer"].value == pytest.approx(
        [first, at_3[::2].double().mean().item()]
    )
    assert "which differ from input to input" in section.text
    assert list(section.illustrations[-1].figure.data[0].x) == ["0", "1"]
    assert [row[0] for row in section.tables[0].rows[-2:]] == ["answer 0", "answer 1"]


def test_of_three_kinds_the_one_without_an_example_is_named(echo, echo_model, found):
    class WithFives(type(echo)):
        def groups(self, examples):
            return {**super().groups(examples), "of five letters": examples.tokens[:, 0] == 9}

    seen = see(echo_model, WithFives(), echo.sample(100, seed=0))
    finding = found(accuracy(seen))["accuracy-by-kind"]
    assert (len(finding.value), finding.note) == (2, "without an example: of five letters")


def test_with_one_answer_there_are_no_whole_inputs_and_no_numbers(seen_majority, verdicts):
    assert set(verdicts(accuracy(seen_majority))) == {"accuracy", "accuracy-by-kind", "loss"}


def test_a_kind_without_an_example_is_named_and_not_counted(majority, counting_model, found):
    ones = majority.examples(majority.encode(["11111", "11110", "01111"]))
    section = accuracy(see(counting_model, majority, ones))
    assert "accuracy-by-kind" not in found(section)
    (bars,) = section.illustrations
    assert list(bars.figure.data[0].y) == ["all (3)"]
    assert [row[0] for row in section.tables[0].rows] == ["all"]


def test_the_table_has_a_row_for_all_each_kind_and_each_answer(seen_echo):
    (table,) = accuracy(seen_echo).tables
    names = [row[0] for row in table.rows]
    assert names == ["all", "with a", "without a", "answer 0", "answer 1", "answer 2", "answer 3"]
    assert table.rows[0][1:4] == (1600, 0, 1.0)
    assert table.rows[3][1:3] == (400, 0)


def test_kinds_and_answers_cross_in_a_map_that_is_blank_where_nothing_is(seen_echo):
    seen_echo.model.block(0).attn.W_O[0, 0, 8:10] = torch.tensor([0.0, 8.0])
    *_, crossed = accuracy(seen_echo).illustrations
    (trace,) = crossed.figure.data
    with_a, without = trace.z
    has_a = seen_echo.examples.tokens[(seen_echo.examples.tokens == 0).any(1)] == 0
    assert with_a == pytest.approx(has_a.double().mean(0).tolist())
    assert list(without) == [0.0, 0.0, 0.0, 0.0]


def test_sets_are_right_as_a_whole_and_an_even_guess_says_half_to_each_class(found):
    task = registry.get("nesting")
    examples = task.sample(20, seed=0)
    seen = see(None, task, examples)
    seen.__dict__["logits"] = torch.where(examples.labels, 9.0, -9.0)
    section = accuracy(seen)
    assert "a set of classes" in section.text
    value = found(section)
    assert value["accuracy"].value == 1.0
    per_class = math.log(1 + math.exp(-9)) / math.log(2)
    assert value["loss"].value == pytest.approx(per_class, rel=1e-3)
