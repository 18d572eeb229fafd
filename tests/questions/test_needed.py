from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from algoscope.discovery.effects import Effect, Interval
from algoscope.discovery.jointly import Backups
from algoscope.discovery.needs import Needs
from algoscope.model.component import Component
from algoscope.questions.needed import needed, pushes, ranks, why
from algoscope.questions.seen import see

HERE = Path(__file__).parent
ANSWER = 2
"""The token that is last in every input."""


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hand = load("by_hand")


@pytest.fixture
def asked(majority):
    """`asked(model)`: what the model makes of majority."""
    return lambda model: see(model, majority, majority.sample(300, seed=0))


def counting(*scales: float, **settings):
    """A head of one layer for each scale, which counts ones, and writes that times the scale."""
    model = hand.blank(6, n_heads=len(scales), **settings)
    for head, scale in enumerate(scales):
        hand.counts(model, head, scale)
    return model


def test_the_head_that_decides_is_needed_and_the_idle_one_is_not(asked, found):
    section = needed(asked(counting(0, 2)))
    parts = found(section)["needed-parts"]
    assert (parts.value, parts.verdict) == (["0.1"], "holds")
    share = found(section)["needed-share"]
    assert (share.value, share.verdict) == (0.5, "refuted")
    assert share.said == "1 of 2 are needed; unneeded one at a time: 0.0"


def test_a_single_head_that_decides_is_most_of_the_model(asked, found):
    share = found(needed(asked(counting(2))))["needed-share"]
    assert (share.value, share.verdict) == (1.0, "holds")


def test_of_a_model_that_says_nothing_no_part_is_needed(asked, found):
    section = needed(asked(counting(0, 0, 0)))
    parts = found(section)["needed-parts"]
    assert (parts.value, parts.verdict, parts.said) == ([], "refuted", "no part costs as much")
    assert found(section)["push-and-need-agree"].verdict == "open"


def test_a_part_that_too_few_inputs_decide_about_is_named(asked, found, majority):
    seen = asked(counting(0, 2))
    few = see(seen.model, majority, seen.examples[:2])
    few.model.W_U[hand.OUT] *= 0.1
    assert "Undecided on so few inputs" in found(needed(few))["needed-parts"].note


def test_zero_and_mean_agree_about_a_head_whose_mean_is_zero(asked, found):
    agreement = found(needed(asked(counting(0, 2))))["ablations-agree"]
    assert (agreement.value, agreement.verdict, agreement.said) == (0, "holds", "")


def test_a_head_that_writes_a_constant_is_needed_by_zero_alone(asked, found):
    model = counting(0, 2)
    model.W_E[ANSWER, 2] = 6.0
    model.b_U[:] = torch.tensor([-20.0, 20.0])
    attention = model.blocks[0].attn
    attention.W_V[0, 2, 0] = 20.0
    attention.W_O[0, 0, hand.OUT] = 1.0
    section = needed(asked(model))
    agreement = found(section)["ablations-agree"]
    assert (agreement.value, agreement.verdict) == (1, "refuted")
    assert agreement.said == "0.0 (needed by zero, not by the mean and another example)"
    assert found(section)["needed-parts"].value == ["0.1"]


def test_heads_that_push_the_answer_in_the_order_of_need_agree(asked, found):
    order = found(needed(asked(counting(0.5, 0.3, 0.15))))["push-and-need-agree"]
    assert (order.value, order.verdict) == (pytest.approx(1), "holds")
    assert order.said == "the two orders are the same"


def chain():
    """Head 0.1 counts into a coordinate of its own, which head 1.1 passes on; two others push a little."""
    model = hand.blank(6, n_layers=2, n_heads=2, attention_dir="bidirectional")
    hand.counts(model, 1, 1.0, to=3)
    last = model.blocks[1].attn
    last.W_V[1, 3, 0] = 2.0
    last.W_O[1, 0, hand.OUT] = 1.0
    hand.counts(model, 0, 0.005)
    hand.counts(model, 0, 0.01, layer=1)
    return model


def test_a_head_that_works_through_a_later_one_is_needed_without_a_push(asked, found):
    order = found(needed(asked(chain())))["push-and-need-agree"]
    assert (order.value, order.verdict) == (pytest.approx(0, abs=1e-9), "refuted")
    assert "head 0.1 is number 4 of 4 by its push (0.00 logits) and number 1 by need" in order.said
    assert "goes through later parts" in order.said


def test_an_order_that_ties_leave_open_is_open(asked, found):
    order = found(needed(asked(counting(0, 2, 0, 0, 0, 0, 0, 0, 0))))["push-and-need-agree"]
    assert order.verdict == "holds"
    noisy = found(needed(asked(counting(2, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008))))
    assert noisy["push-and-need-agree"].verdict == "open"
    assert "could reach more than 0.5" in noisy["push-and-need-agree"].note


def test_two_parts_have_no_order(asked, found):
    assert found(needed(asked(counting(1, 2))))["push-and-need-agree"].note.startswith(
        "2 parts have no order"
    )


def test_without_an_example_of_each_class_no_push_is_known(majority):
    for inputs in (["11111", "11110"], ["00000", "00001"]):
        assert pushes(see(counting(1, 2), majority, majority.examples(majority.encode(inputs)))) is None


def effect(mean: float) -> Effect:
    return Effect(Interval(mean, mean, mean), Interval(1, 1, 1), (mean,))


@pytest.mark.parametrize(
    ("whole", "direct", "words"),
    [
        (1.0, 0.94, "the rest goes through later parts"),
        (1.0, 0.96, "so later parts do not explain it"),
        (1.0, 1.04, "so later parts do not explain it"),
        (1.0, 1.06, "later parts make up for"),
    ],
)
def test_why_push_and_need_differ_is_read_off_what_the_answer_alone_loses(whole, direct, words):
    part = Component.parse("0.0")
    needs = Needs(None, {}, {part: effect(whole)}, {}, {part: effect(direct)}, None, ())
    assert words in why(needs, part)


def test_a_part_that_another_stands_in_for_is_told_with_it():
    part, other = Component.parse("0.0"), Component.parse("MLP 1")
    group = Backups((part, other), effect(1.25))
    needs = Needs(None, {}, {part: effect(0)}, {}, {part: effect(0)}, None, (group,))
    assert why(needs, part) == "MLP 1 stands in for it: together they cost 1.2."


def test_equals_share_the_first_place_among_them():
    parts = [Component.parse(f"0.{index}") for index in range(4)]
    assert list(ranks(dict(zip(parts, [1.0, 3.0, 1.0, 0.0], strict=True))).values()) == [2, 1, 2, 4]


def test_the_figure_and_the_table_have_every_part_with_words_on_the_axes(asked):
    section = needed(asked(counting(0, 2)))
    (bars,) = section.illustrations
    assert bars.figure.layout.xaxis.title.text == "head or MLP"
    assert bars.figure.layout.yaxis.title.text == "rise of the loss, in<br>even guesses"
    assert [list(trace.x) for trace in bars.figure.data] == [["0.0", "0.1"]] * 3
    assert [row[:2] for row in section.tables[0].rows] == [("0.0", "unneeded"), ("0.1", "needed")]


def test_several_answers_are_told_apart(seen_echo):
    section = needed(seen_echo)
    by_answer = section.illustrations[1].figure
    assert list(by_answer.data[0].y) == ["0.0", "0.1"]
    assert list(by_answer.data[0].x) == ["0", "1", "2", "3"]
    assert (by_answer.data[0].z[0] > 0.9).all()
    assert abs(by_answer.data[0].z[1]).max() < 1e-5
