"""Of explanations that are written by hand: what is said of them."""

from __future__ import annotations

import pytest

from algoscope.discovery.effects import Interval
from algoscope.explanation.words import MOST, listed, percent, words


def texts(found):
    return [sentence.text for sentence in words(found)]


def test_nodes_that_carry_the_same_are_named_together(carried, explanation):
    back = "the token one place back"
    found = explanation(
        carried("0.0", "after <sep>", back),
        carried("0.1", "after <sep>", back),
        carried("MLP 1", "at <sep>", "how many a"),
    )
    first, second, *_ = words(found)
    assert first.text == "Heads 0.0 and 0.1 after <sep> carry the token one place back."
    assert second.text == "MLP 1 at <sep> carries how many a."
    assert (first.nodes, second.nodes) == ((0, 1), (2,))


def test_concepts_that_are_taken_together_are_all_named(carried, explanation):
    assert texts(explanation(carried("0.0", "everywhere", "the token here", "the place")))[0] == (
        "Head 0.0 everywhere carries the token here, with the place."
    )


def test_components_at_several_places_are_named_once(carried):
    nodes = [carried(part, f"at position {at}", "x").node for part in ("MLP 0", "MLP 1") for at in (2, 3)]
    assert listed(nodes) == "MLP 0 and MLP 1 at position 2 and at position 3"


def test_of_a_node_that_is_not_explained_it_is_said_how_much_is_kept(carried, explanation):
    weak = carried("1.0", "at <sep>", "the token here", explained=False, carried=Interval(0.62, 0.5, 0.7))
    dark = carried("MLP 1", "at <sep>")
    useless = carried("1.1", "at <sep>", "the place", explained=False, carried=Interval(-0.1, -0.2, 0.0))
    found = words(explanation(carried("0.0", "at <sep>", "x"), weak, dark, useless))
    assert [(each.text, each.nodes) for each in found[1:3]] == [
        ("Head 1.0 at <sep> carries at least the token here (keeps 62%); the rest is not understood.", (1,)),
        (
            "What head 1.1 and MLP 1 at <sep> carry is not understood: "
            "nothing that was tried keeps any of it.",
            (2, 3),
        ),
    ]


def test_a_node_that_may_be_swapped_freely_on_its_own_is_said_to_be_so(carried, explanation):
    assert texts(explanation(carried("0.0", "everywhere", explained=True)))[0] == (
        "Head 0.0 everywhere carries nothing that matters alone."
    )


@pytest.mark.parametrize(
    ("idle", "said"),
    [
        (0, "No part is idle."),
        (1, "The one other part is idle: it may put out what it puts out on any other input."),
        (5, "The 5 other parts are idle: together, they may put out what they do on any other input."),
    ],
)
def test_idle_parts_are_counted(idle, said, carried, explanation):
    assert said in texts(explanation(carried("0.0", "everywhere", "x"), idle=idle))


def test_last_stands_the_weaker_test_beside_the_baseline(carried, explanation):
    *_, tests, last = texts(explanation(carried("0.0", "everywhere", "x"), flat=0.91, recursive=0.625))
    assert "leaves all answers of 91% of inputs as they were (recursively, " in tests
    assert tests.endswith("replaced in the same way first: 62.5%).")
    assert last.startswith("So 62.5% of the model is explained, the weaker of the two.")
    assert "agree with the model on 98.5% of inputs" in last
    assert texts(explanation(flat=0.5, recursive=0.7))[-1].startswith("So 50% of the model")


@pytest.mark.parametrize("count", range(1, 30))
def test_of_any_number_of_nodes_four_to_eight_sentences_tell_all_in_order(count, carried, explanation):
    concepts = [f"concept {at}." for at in range(count)]
    nodes = [carried(f"{at}.0", "everywhere", concept) for at, concept in enumerate(concepts)]
    dark = [carried("30.0", "at the end"), carried("31.0", "at the end", "x", explained=False)]
    for each in (nodes, [*nodes, *dark]):
        found = words(explanation(*each))
        assert 4 <= len(found) <= MOST
        assert sorted(number for sentence in found for number in sentence.nodes) == list(range(len(each)))
        told = " ".join(sentence.text for sentence in found)
        assert [told.index(concept) for concept in concepts] == sorted(map(told.index, concepts))


def test_of_a_model_without_nodes_it_is_said_that_nothing_matters(explanation):
    first, *_ = words(explanation(flat=1.0, recursive=1.0))
    assert first.text.startswith("No head and no MLP matters")
    assert first.nodes == ()


def test_a_share_that_is_nearly_all_is_not_called_all():
    assert [percent(share) for share in (0.99999, 1.0, 0.29, 0.0)] == ["99.9%", "100%", "29%", "0%"]
