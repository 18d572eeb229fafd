from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from algoscope.discovery.circuits.graph import Edge
from algoscope.figures.circuit import THINNEST, WIDEST, circuit_drawing
from algoscope.model.component import ANSWER, EMBEDDING, POSITION, TOKEN, Component

HEADS = HEAD, IDLE = tuple(map(Component.parse, ("0.0", "0.1")))
MLP = Component.mlp(0)
PARTS = (TOKEN, POSITION, *HEADS, MLP, ANSWER)
WORTH = {
    Edge(TOKEN, HEAD, "q"): 0.3, Edge(TOKEN, HEAD, "v"): 1.4, Edge(HEAD, MLP): 0.02, Edge(MLP, ANSWER): -0.1,
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def drawn(worth, parts=PARTS):
    return ElementTree.fromstring(circuit_drawing(worth, parts).svg)


def widths(root):
    return {
        group.find(f"{SVG}title").text: float(group.find(f"{SVG}path").get("stroke-width"))
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "edge"
    }


def texts(root, kind):
    return [each.text for each in root.iter(f"{SVG}text") if each.get("class") == kind]


def test_every_edge_is_drawn_as_wide_as_it_is_worth_and_says_so():
    assert widths(drawn(WORTH)) == {
        "token embedding to the queries of 0.0: 30.0%": pytest.approx(0.7 * THINNEST + 0.3 * WIDEST, abs=0.1),
        "token embedding to the values of 0.0: 140.0%": WIDEST,
        "0.0 to MLP 0: 2.0%": pytest.approx(THINNEST, abs=0.2),
        "MLP 0 to answer: -10.0%": THINNEST,
    }


def test_numbers_are_per_cent_since_a_decimal_would_be_read_as_a_head():
    assert texts(drawn(WORTH), "worth") == ["140%", "30%"]


def test_every_part_is_named_and_what_no_edge_touches_is_faint():
    root = drawn(WORTH)
    assert sorted(texts(root, "name")) == sorted(map(str, PARTS))
    idle = [
        group.find(f"{SVG}text").text for group in root.iter(f"{SVG}g") if group.get("class") == "part idle"
    ]
    assert sorted(idle) == ["0.1", "position embedding"]


def test_a_head_shows_its_three_inputs_those_that_are_read_plainly():
    root = drawn(WORTH)
    assert texts(root, "input") == ["q", "v"]
    assert texts(root, "input idle") == ["k", "q", "k", "v"]


def test_where_inputs_are_not_told_apart_none_is_shown():
    root = drawn({Edge(TOKEN, HEAD): 0.5, Edge(POSITION, HEAD): 0.5})
    assert not texts(root, "input") + texts(root, "input idle")
    assert len(widths(root)) == 2


def test_who_cannot_see_it_is_told_every_edge():
    root = drawn(WORTH)
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "A circuit of 4 edges. token embedding to the values of 0.0: 140%; token embedding to the queries of "
        "0.0: 30%; 0.0 to MLP 0: 2%; MLP 0 to answer: -10%"
    )


def test_an_edge_at_several_places_is_one_line_that_tells_them_all():
    worth = {Edge(TOKEN, HEAD, "k", "first"): 0.1, Edge(TOKEN, HEAD, "k", "<last>"): 0.5}
    found = widths(drawn(worth))
    keys = "token embedding to the keys of 0.0"
    told = f"{keys} at first: 10.0%; {keys} at <last>: 50.0%"
    assert found == {told: pytest.approx((THINNEST + WIDEST) / 2)}


def test_it_needs_nothing_from_elsewhere_and_names_nothing_that_a_page_could_have_too():
    svg = circuit_drawing(WORTH, PARTS).svg
    assert not re.search(r"<script|href|url\(|@import| id=", svg)
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg") == 1


def test_numbers_do_not_lie_on_each_other():
    worth = {Edge(sender, ANSWER): 0.5 for sender in (TOKEN, POSITION, *HEADS, MLP)}
    places = [
        (float(each.get("x")), float(each.get("y")))
        for each in drawn(worth).iter(f"{SVG}text")
        if each.get("class") == "worth"
    ]
    assert len(places) >= 3
    for number, (x, y) in enumerate(places):
        assert all(abs(x - other) >= 24 or abs(y - at) >= 14 for other, at in places[:number])


def test_no_edges_and_one_embedding_can_be_drawn():
    root = drawn({}, (EMBEDDING, HEAD, ANSWER))
    assert texts(root, "name") == ["embedding", "0.0", "answer"]
    assert not widths(root)
