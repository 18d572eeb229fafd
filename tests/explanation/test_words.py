"""Of explanations that are written by hand: what is said of them."""

from __future__ import annotations

import pytest

from algoscope.discovery.effects import Interval
from algoscope.explanation.concepts import Concept
from algoscope.explanation.trial import Change
from algoscope.explanation.words import MOST, finer, listed, percent, words


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


def test_parts_that_are_tested_with_more_than_is_told_are_counted(carried, explanation):
    more = tuple(Concept(name, lambda inputs: inputs.place) for name in ("x", "y"))
    nodes = carried("0.0", "here", "x", refined=more), carried("1.0", "here", "x", refined=more[:1])
    assert finer(nodes[0]) == ("y",)
    tests = texts(explanation(*nodes))[-2]
    assert "what it carries (for 1 of the parts, on more than is told here)" in tests


@pytest.mark.parametrize("count", range(1, 30))
def test_of_any_number_of_nodes_four_to_eight_sentences_rest_on_all_in_order(count, carried, explanation):
    concepts = [f"concept {at}." for at in range(count)]
    nodes = [carried(f"{at}.0", "everywhere", concept) for at, concept in enumerate(concepts)]
    dark = [
        carried(f"{30 + at}.0", "at the end", *name, explained=False)
        for at, name in enumerate(([], *["x"] * 5))
    ]
    for each in (nodes, [*nodes, *dark]):
        found = words(explanation(*each))
        assert 4 <= len(found) <= MOST
        assert sorted(number for sentence in found for number in sentence.nodes) == list(range(len(each)))
        said = " ".join(sentence.text for sentence in found)
        places = [said.index(concept) for concept in concepts if concept in said]
        assert places == sorted(places)
        assert len(places) >= min(count, 4)
        assert max(sentence.text.count("carr") for sentence in found) <= 2


def test_of_many_nodes_those_of_most_effect_are_told_and_the_others_counted(carried, explanation):
    effects = [0.1, 3.0, 0.2, *[2.0] * 7, 0.3]
    nodes = [
        carried(f"{at}.0", "everywhere", f"concept {at}", importance=Change(effect, 0.5))
        for at, effect in enumerate(effects)
    ]
    found = words(explanation(*nodes))
    said = "\n".join(sentence.text for sentence in found)
    assert found[0].text == "Head 1.0 everywhere carries concept 1; head 3.0 everywhere carries concept 3."
    assert [at for at in range(11) if f"concept {at}" in said.replace("concept 10", "")] == [
        1,
        *range(3, 10),
    ][:8]
    assert (found[4].text, found[4].nodes) == (
        "3 more parts carry 3 other facts, each with less effect.",
        (0, 2, 10),
    )


def test_of_many_nodes_that_are_not_explained_two_are_told_and_the_others_counted(carried, explanation):
    nodes = [
        carried(f"{at}.0", "here", "x", explained=False, importance=Change(float(at), 0.5)) for at in range(5)
    ]
    first = words(explanation(*nodes))[0]
    assert first.text.startswith(
        "Head 3.0 here carries at least x (keeps 96%); head 4.0 here carries at least x"
    )
    assert first.text.endswith("; the rest is not understood, nor is all of 3 more with less effect.")
    assert first.nodes == (0, 1, 2, 3, 4)


def test_of_a_model_without_nodes_it_is_said_that_nothing_matters(explanation):
    first, *_ = words(explanation(flat=1.0, recursive=1.0))
    assert first.text.startswith("No head and no MLP matters")
    assert first.nodes == ()


def test_a_share_that_is_nearly_all_is_not_called_all():
    assert [percent(share) for share in (0.99999, 1.0, 0.29, 0.0)] == ["99.9%", "100%", "29%", "0%"]
