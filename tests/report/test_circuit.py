"""A circuit written by hand, as text, JSON and DOT."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from algoscope.discovery.circuits.circuit import Circuit, Curve
from algoscope.discovery.circuits.find import Found
from algoscope.discovery.circuits.graph import Edge
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.report.circuit import circuit_dot, circuit_json, circuit_table, circuit_words

HEAD = Component.parse("0.1")
WORTH = {Edge(TOKEN, HEAD, "k"): 0.25, Edge(HEAD, ANSWER): 1.0}


@pytest.fixture
def found() -> Found:
    measured = Circuit(tuple(WORTH), 0.97, 0.1, 0.02, 0.99)
    fresh = Circuit(tuple(WORTH), 0.96, 0.125, 0.03, 0.985)
    rival = Circuit((Edge(TOKEN, ANSWER),), 0.95, 0.2, 0.1, 0.9)
    return Found(
        "pruning",
        "resample",
        0.95,
        50,
        40,
        (TOKEN, HEAD, ANSWER),
        measured,
        fresh,
        WORTH,
        Curve((0, 1), (0, 1)),
        0.9,
        rival,
        0.0,
    )


def test_json_holds_the_edges_and_every_measure(found):
    read = json.loads(circuit_json(found))
    assert read["edges"] == [
        {"from": "token embedding", "to": "0.1", "input": "k", "position": None, "effect": 0.25},
        {"from": "0.1", "to": "answer", "input": "in", "position": None, "effect": 1.0},
    ]
    expected = {
        "faithfulness": 0.97, "faithfulness_fresh": 0.96, "cpr": 0.5, "cmd": 0.5, "size": 2,
        "edges_in_all": 40, "incompleteness": 0.125, "kl": 0.03, "accuracy": 0.985,
        "stability": 0.9, "stable": True,
    }  # fmt: skip
    assert {name: read[name] for name in expected} == expected
    assert read["rival"]["overlap"] == 0


def test_dot_has_an_arrow_for_each_edge(found):
    lines = circuit_dot(found).splitlines()
    assert '  "token embedding" -> "0.1" [label="k", penwidth=2.00, weight="0.25"];' in lines
    assert '  "0.1" -> "answer" [label="", penwidth=5.00, weight="1"];' in lines
    assert (lines[0], lines[-1]) == ("digraph circuit {", "}")


def test_the_table_has_a_line_for_each_edge(found):
    console = Console(width=80, record=True)
    console.print(circuit_table(found))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[1:] == [["token", "embedding", "0.1", "k", "0.25"], ["0.1", "answer", "1"]]


def test_the_words_tell_the_figures_of_the_other_inputs(found):
    words = circuit_words(found)
    assert "2 of 40 edges (5%)" in words
    assert "faithfulness 0.960 (asked 0.95), accuracy 98.5%, KL 0.03 nats. The other edges: 0.125." in words
    assert "(stable)" in words
    assert "so there is another circuit" in words
