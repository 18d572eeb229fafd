from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from algoscope.discovery.jointly import backups
from algoscope.discovery.needs import MEAN
from algoscope.model.component import Component
from algoscope.questions.jointly import MOST, jointly, most_needed
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
    """`asked(model)`: what the model makes of majority; every input nine times, so that counts balance."""
    inputs = majority.examples(majority.encode([f"{bits:05b}" for bits in range(32)] * 9))
    return lambda model: see(model, majority, inputs)


def counting(*scales: float, **settings):
    """A head of one layer for each scale, which counts ones, and writes that times the scale."""
    model = hand.blank(6, n_heads=len(scales), **settings)
    for head, scale in enumerate(scales):
        hand.counts(model, head, scale)
    return model


def test_two_heads_that_do_the_same_can_each_be_spared_and_not_both(asked, found):
    section = jointly(asked(counting(3, 0, 3)))
    together, pairs = found(section)["unneeded-together"], found(section)["pairs-add-up"]
    assert together.verdict == "refuted"
    # With neither the model guesses evenly: that costs one even guess, less the little it cost before.
    assert together.value == pytest.approx(1, abs=0.01)
    assert together.said.startswith("without 0.0, 0.1, 0.2 the loss rises by 1.000 ")
    assert together.said.endswith(" are right. Not together: 0.0 and 0.2")
    assert (pairs.verdict, pairs.said) == ("refuted", "the largest is of 0.0 and 0.2")
    assert pairs.value > 0.9
    ((parts, alone, both, _),) = section.tables[0].rows
    assert parts == "0.0, 0.2"
    assert alone < 0.01
    assert both.startswith("1.000 ")


def test_what_is_idle_can_be_spared_together(asked, found, verdicts):
    section = jointly(asked(counting(0, 2, 0)))
    assert verdicts(section) == {"unneeded-together": "holds", "pairs-add-up": "holds"}
    assert found(section)["unneeded-together"].value == 0
    assert "Not together" not in found(section)["unneeded-together"].said
    assert section.tables == ()


def test_with_less_than_two_unneeded_parts_there_is_nothing_to_join(asked, verdicts):
    assert verdicts(jointly(asked(counting(0, 2))))["unneeded-together"] == "open"
    single = jointly(asked(counting(2)))
    assert verdicts(single) == {"unneeded-together": "open", "pairs-add-up": "open"}
    assert single.illustrations == ()


def test_heads_that_stand_in_for_each_other_are_found_among_others(majority):
    """Two heads say the first bit, which is what is asked here; two say the second, which nobody reads."""
    task = type("First", (type(majority),), {"label": lambda self, tokens: (tokens[:, 0] == 0).long()})()
    model = hand.blank(6, n_heads=4)
    for head in (0, 2):
        hand.looks_at(model, head, 0, 6.0)
    for head in (1, 3):
        hand.looks_at(model, head, 1, 6.0, to=2)
    examples = task.sample(300, seed=0)
    parts = tuple(Component.parse(f"0.{head}") for head in range(4))
    groups = [tuple(map(str, group.parts)) for group in backups(model, examples, parts, MEAN)]
    assert groups == [("0.0", "0.2")]


def test_the_map_of_pairs_is_symmetric_with_nothing_on_the_diagonal(asked):
    figure = jointly(asked(counting(3, 0, 3))).illustrations[0].figure
    values = np.array(figure.data[0].z, dtype=float)
    assert np.isnan(values.diagonal()).all()
    assert values[0, 2] == values[2, 0] > 0.5
    assert abs(values[0, 1]) < 1e-3
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("head or MLP", "with")


def test_a_pair_of_needed_links_costs_less_than_both(asked, found):
    """Of a chain, the answer is lost with the first link, so the second costs nothing more."""
    model = hand.blank(6, n_layers=2, n_heads=1, attention_dir="bidirectional")
    hand.counts(model, 0, to=3)
    last = model.blocks[1].attn
    last.W_V[0, 3, 0] = 2.0
    last.W_O[0, 0, hand.OUT] = 1.0
    pairs = found(jointly(asked(model)))["pairs-add-up"]
    assert pairs.verdict == "holds"
    assert pairs.value == pytest.approx(-1, abs=0.2)


def test_of_many_parts_those_that_cost_most_are_paired(asked):
    scales = [0.0] * (MOST + 3)
    scales[4] = scales[MOST + 2] = 0.4
    seen = asked(counting(*scales))
    chosen = most_needed(seen.needs)
    assert len(chosen) == MOST
    assert {Component.parse("0.4"), Component.parse(f"0.{MOST + 2}")} <= set(chosen)
    assert list(chosen) == sorted(chosen)
    assert f"of the {MOST} parts that cost most" in jointly(seen).text
