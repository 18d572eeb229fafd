from __future__ import annotations

from xml.etree import ElementTree

import pytest

from algoscope.explanation.trial import Change
from algoscope.figures.explanation import COLUMNS, LETTERS, LINES, explanation_drawing, shown_places

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def boxes(explanation):
    """`boxes(nodes...)`: left edge, top edge, class and lines of text of each, from top to bottom."""

    def drawn(*nodes):
        root = ElementTree.fromstring(explanation_drawing(explanation(*nodes)).svg)
        found = [
            (
                float(box.get("x")),
                float(box.get("y")),
                box.get("class"),
                [text.text for text in box.iter(f"{SVG}text")],
            )
            for box in root.iter(f"{SVG}svg")
            if "node" in box.get("class")
        ]
        return sorted(found, key=lambda each: (each[1], each[0]))

    return drawn


def test_places_are_columns_and_later_parts_stand_higher(carried, boxes):
    found = boxes(
        carried("0.0", "at <sep>", "a"),
        carried("MLP 0", "at <sep>", "b"),
        carried("1.0", "after <sep>", "c"),
        carried("MLP 1", "at <sep>", "d"),
    )
    assert [lines for *_, lines in found] == [["MLP 1", "d"], ["1.0", "c"], ["MLP 0", "b"], ["0.0", "a"]]
    assert len({top for _, top, *_ in found}) == 4
    sep, other = found[0][0], found[1][0]
    assert [left for left, *_ in found] == [sep, other, sep, sep]
    assert other > sep


def test_heads_that_carry_the_same_at_one_place_share_a_box(carried, boxes):
    found = boxes(
        carried("0.0", "here", "a"),
        carried("0.1", "here", "b"),
        carried("0.2", "here", "a"),
        carried("0.3", "there", "a"),
    )
    assert sorted(lines for *_, lines in found) == [["0.0, 0.2", "a"], ["0.1", "b"], ["0.3", "a"]]


def test_what_is_not_all_understood_is_dashed(carried, boxes):
    found = boxes(
        carried("0.0", "here", "a", explained=False), carried("1.0", "here"), carried("2.0", "here", "b")
    )
    assert [(kind, lines[1:]) for _, _, kind, lines in found] == [
        ("node", ["b"]),
        ("node partly", ["not understood"]),
        ("node partly", ["at least a"]),
    ]


def test_a_long_concept_is_cut_and_told_to_a_pointer(carried, boxes, explanation):
    node = carried("0.0", "here", "how many of them there are " * 10)
    ((*_, lines),) = boxes(node)
    assert len(lines) == 1 + LINES
    assert max(map(len, lines)) <= LETTERS
    assert lines[-1].endswith("…")
    root = ElementTree.fromstring(explanation_drawing(explanation(node)).svg)
    assert root.find(f".//{SVG}title").text == f"head 0.0 here: {node.concept}"


def test_of_many_places_those_of_most_effect_are_shown_in_order(carried, explanation, boxes):
    nodes = [
        carried("0.0", f"at position {at}", "a", importance=Change(float(at != 3), 0.5))
        for at in range(COLUMNS + 1)
    ]
    places = [f"at position {at}" for at in range(COLUMNS + 1) if at != 3]
    assert shown_places(explanation(*nodes)) == tuple(places)
    assert len(boxes(*nodes)) == COLUMNS
    assert len(boxes(*nodes, carried("5.0", "at position 3", "b"))) == COLUMNS + 1


def test_no_name_breaks_out_of_the_drawing(carried, explanation):
    evil = "</svg><script>1</script>\x1b[31m\"'"
    drawn = explanation_drawing(explanation(carried("0.0", f"at {evil}", evil))).svg
    root = ElementTree.fromstring(drawn)
    assert not list(root.iter("script"))
    assert not list(root.iter(f"{SVG}script"))
    assert "\x1b" not in drawn


def test_of_a_model_without_nodes_the_drawing_is_empty(boxes):
    assert boxes() == []
