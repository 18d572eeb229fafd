"""What a hypothesis came to, written by hand."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.scrubbing import Hypothesis, Survival
from algoscope.discovery.circuits.trial import Trial
from algoscope.discovery.effects import Interval
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.report.hypothesis import hypothesis_json, hypothesis_table, hypothesis_words

HEAD = Component.parse("0.1")


@pytest.fixture
def found() -> Trial:
    stated = Hypothesis(frozenset({Edge(TOKEN, HEAD, "k"), Edge(HEAD, ANSWER)}), {HEAD: "depth"})
    survival = Survival(
        Interval(0.75, 0.7, 0.8), Interval(0.5, 0.4, 0.6), Interval(0.25, 0.2, 0.3),
        {TOKEN: 0.0, HEAD: 0.125}, {TOKEN: 1.0, HEAD: 0.05},
    )  # fmt: skip
    return Trial(stated, survival, 30, 600, 570)


def test_json_holds_every_measure(found):
    read = json.loads(hypothesis_json(found))
    assert (read["inputs"], read["sampled"], read["left_out"], read["worst"]) == (30, 600, 570, "0.1")
    assert read["kl"] == {"mean": 0.25, "low": 0.2, "high": 0.3}
    assert read["steps"] == [
        {"component": "token embedding", "concept": None, "alone": 1.0, "kl_lost": 0.0},
        {"component": "0.1", "concept": "depth", "alone": 0.05, "kl_lost": 0.125},
    ]
    assert [edge["from"] for edge in read["edges"]] == ["token embedding", "0.1"]


def test_the_table_has_a_line_for_each_step(found):
    console = Console(width=80, record=True)
    console.print(hypothesis_table(found))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[1:] == [["token", "embedding", "everything", "100.0%", "0.000"],
                         ["0.1", "depth", "5.0%", "0.125"]]  # fmt: skip


def test_the_words_tell_what_survives_who_was_left_out_and_the_worst_step(found):
    words = hypothesis_words(found)
    assert "2 edges, tested on 30 inputs" in words
    assert "Left out are 570 of 600" in words
    assert "accuracy 0.750 (0.700 to 0.800), the model's own answers 0.500 (0.400 to 0.600)" in words
    assert (
        "Most damaging: that head 0.1 depends on depth; without this step the KL is 0.125 nats lower" in words
    )
