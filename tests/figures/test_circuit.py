from __future__ import annotations

from algoscope.discovery.edges import Edge
from algoscope.figures.circuit import WIDEST, circuit_diagram
from algoscope.model.component import Component

COMPONENTS = tuple(map(Component.parse, ("embedding", "0.0", "0.1", "MLP 0", "1.0", "1.1", "MLP 1")))
EDGES = tuple(
    Edge(Component.parse(sender), Component.parse(receiver), effect)
    for sender, receiver, effect in (("0.0", "MLP 0", 4.0), ("MLP 0", "1.1", 2.0), ("1.1", "answer", 1.0))
)


def test_the_strongest_edge_is_the_widest_and_says_its_effect():
    figure = circuit_diagram(EDGES, COMPONENTS, {}, gap=5.0)
    widths = [trace.line.width for trace in figure.data if trace.mode == "lines"]
    assert max(widths) == WIDEST
    assert len(widths) == len(set(widths)) == 3
    assert [trace.text[0] for trace in figure.data if trace.hovertemplate] == ["1.0", "2.0", "4.0"]


def test_every_component_is_drawn_once_and_the_answer_last():
    (nodes,) = (
        each for each in circuit_diagram(EDGES, COMPONENTS, {}, 5.0).data if each.text and len(each.text) > 1
    )
    assert set(nodes.text) == {*map(str, COMPONENTS), "answer"}
    places = dict(zip(nodes.text, nodes.x, strict=True))
    assert places["answer"] == max(nodes.x)
    assert places["embedding"] < places["0.0"] < places["MLP 0"] < places["1.0"] < places["MLP 1"]


def test_roles_stand_beside_their_heads():
    figure = circuit_diagram(EDGES, COMPONENTS, {Component.parse("0.0"): "tally"}, 5.0)
    assert [note.text for note in figure.layout.annotations] == ["tally"]


def test_an_attention_only_model_without_strong_edges_can_be_drawn():
    figure = circuit_diagram((), COMPONENTS[:2], {}, 1.0)
    assert len(figure.data) == 1
