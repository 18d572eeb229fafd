from __future__ import annotations

from itertools import pairwise

import pytest

from algoscope.discovery.circuits.graph import Edge, Graph
from algoscope.figures.wiring import HEIGHT, LANE, wiring
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.model.config import Config

SIZES = {"d_model": 8, "d_head": 4, "n_ctx": 5, "d_vocab": 4, "d_vocab_out": 2}


@pytest.fixture(params=[(1, 1, 0), (3, 2, 8), (2, 5, 0)], ids=str)
def graph(request):
    layers, heads, neurons = request.param
    mlp = {"d_mlp": neurons, "act_fn": "relu"} if neurons else {}
    return Graph(Config(n_layers=layers, n_heads=heads, attention_dir="causal", **mlp, **SIZES))


def test_rows_stand_in_the_order_of_the_computation(graph):
    boxes = wiring((), graph.parts).boxes
    assert tuple(boxes) == graph.parts
    assert all(later.top <= earlier.top for earlier, later in pairwise(boxes.values()))
    assert all(boxes[edge.receiver].top < boxes[edge.sender].top for edge in graph.edges)


def test_no_two_boxes_overlap(graph):
    boxes = list(wiring((), graph.parts).boxes.values())
    for number, one in enumerate(boxes):
        assert not any(other.top == one.top and abs(other.x - one.x) < one.width for other in boxes[:number])


def test_every_edge_leads_from_its_sender_to_its_own_input(graph):
    placed = wiring(graph.edges, graph.parts)
    assert set(placed.routes) == set(graph.edges)
    for edge, route in placed.routes.items():
        box = placed.boxes[edge.receiver]
        assert route[0] == (placed.boxes[edge.sender].x, placed.boxes[edge.sender].top)
        x, y = route[-1]
        assert y == box.bottom
        if edge.input == "in":
            assert box.left < x < box.right
        else:
            middle = box.x + {"q": -22, "k": 0, "v": 22}[edge.input]
            assert abs(x - middle) < 11


def test_no_edge_goes_behind_a_box(graph):
    placed = wiring(graph.edges, graph.parts)
    for route in placed.routes.values():
        for (x0, y0), (x1, y1) in zip(route[1:-1:2], route[2:-1:2], strict=True):
            assert (x0, y0 - HEIGHT) == (x1, y1)
            assert not any(box.top == y1 and box.left < x0 < box.right for box in placed.boxes.values())


def test_trunks_of_two_senders_never_share_a_way(graph):
    placed = wiring(graph.edges, graph.parts)
    passed = {}
    for edge, route in placed.routes.items():
        for x, y in route[1:-1]:
            passed.setdefault((y, edge.sender), set()).add(x)
    assert all(len(each) == 1 for each in passed.values())
    for (y, sender), (x,) in passed.items():
        beside = [at for (row, other), (at,) in passed.items() if row == y and other != sender]
        assert all(abs(at - x) > LANE - 1e-6 for at in beside)


def test_a_trunk_that_nothing_is_in_the_way_of_goes_straight():
    """Two heads a row, the embedding's middle over the gap between them."""
    parts = (TOKEN, *map(Component.parse, ("0.0", "0.1")), ANSWER)
    (route,) = wiring([Edge(TOKEN, ANSWER)], parts).routes.values()
    assert len({x for x, _ in route}) == 1


def test_edges_into_one_input_arrive_in_the_order_in_which_they_come():
    heads = tuple(map(Component.parse, ("0.0", "0.1", "0.2")))
    placed = wiring([Edge(head, ANSWER) for head in heads], (TOKEN, *heads, ANSWER))
    arrived = [placed.routes[Edge(head, ANSWER)][-1][0] for head in heads]
    assert arrived == sorted(arrived)
    assert len(set(arrived)) == 3
