"""Verdicts on explanations that are written by hand: each claim holds of one, and is refuted of another."""

from __future__ import annotations

import pytest

from algoscope.errors import UserError
from algoscope.explanation.concepts import Concept
from algoscope.questions import explained as question
from algoscope.questions.explained import CLAIMS, explained


@pytest.fixture
def asked(monkeypatch, seen_echo):
    """`asked(explanation)`: the section, if that is what is found."""

    def ask(found):
        monkeypatch.setattr(question, "explain", lambda *arguments: found)
        return explained(seen_echo)

    return ask


def test_of_an_explanation_that_survives_all_claims_hold(asked, carried, explanation, verdicts):
    section = asked(
        explanation(carried("0.0", "here", "x"), carried("1.0", "here", "y"), flat=0.9, recursive=0.9)
    )
    assert verdicts(section) == {claim.id: "holds" for claim in CLAIMS}


def test_each_test_is_judged_by_itself_beside_what_the_truth_alone_gives(asked, carried, explanation, found):
    section = asked(explanation(carried("0.0", "here", "x"), flat=0.95, recursive=0.89))
    findings = found(section)
    assert (findings["explained-flat"].verdict, findings["explained-recursive"].verdict) == (
        "holds",
        "refuted",
    )
    assert "the true answers alone: 98.5%" in findings["explained-recursive"].said
    section = asked(explanation(carried("0.0", "here", "x"), flat=0.89, recursive=0.95))
    assert [found(section)[f"explained-{test}"].value for test in ("flat", "recursive")] == [0.89, 0.95]
    assert found(section)["explained-flat"].verdict == "refuted"


def test_nodes_that_are_not_explained_count_against_it(asked, carried, explanation, found):
    nine = [carried(f"{at}.0", "here", "x") for at in range(9)]
    dark = carried("9.0", "here", "x", explained=False)
    assert found(asked(explanation(*nine, dark)))["explained-nodes"].verdict == "holds"
    finding = found(asked(explanation(*nine[:8], dark)))["explained-nodes"]
    assert (finding.verdict, finding.said) == ("refuted", "8 of 9")


def test_the_least_needed_fact_decides(asked, carried, explanation, found):
    idle = carried("0.0", "here", "x", "y", needed=(0.4, 0.01))
    finding = found(asked(explanation(carried("1.0", "here", "z"), idle)))["explained-needed"]
    assert (finding.verdict, finding.value) == ("refuted", 0.01)
    assert finding.said == "head 0.0 here needs this least: y"
    unknown = carried("0.0", "here", "x", "y", needed=(0.4, None))
    assert found(asked(explanation(unknown)))["explained-needed"].value == 0.4
    dark = carried("0.0", "here", "x", needed=(0.0,), explained=False)
    assert found(asked(explanation(dark)))["explained-needed"].verdict == "open"


def test_the_token_and_the_place_alone_are_nothing_beyond(asked, carried, explanation, found):
    near = carried("0.0", "here", "the token here", "the place", depth=0)
    unexplained = carried("0.1", "here", "how many a", explained=False)
    assert found(asked(explanation(near, unexplained)))["explained-beyond-token"].verdict == "refuted"
    far = carried("1.0", "here", "how many a")
    finding = found(asked(explanation(near, far)))["explained-beyond-token"]
    assert (finding.verdict, finding.value) == ("holds", "head 1.0 here")


def test_of_a_model_without_nodes_what_parts_carry_is_open(asked, explanation, verdicts):
    section = asked(explanation(flat=1.0, recursive=1.0))
    assert verdicts(section) == {
        "explained-flat": "holds",
        "explained-recursive": "holds",
        "explained-nodes": "open",
        "explained-needed": "open",
        "explained-beyond-token": "refuted",
    }
    assert section.overview == ()


def test_what_can_not_be_explained_leaves_all_open(monkeypatch, seen_echo, verdicts):
    def refuse(*arguments):
        raise UserError("too few inputs")

    monkeypatch.setattr(question, "explain", refuse)
    section = explained(seen_echo)
    assert set(verdicts(section).values()) == {"open"}
    assert section.findings[0].note == "too few inputs"


def test_what_is_asked_is_what_was_seen(monkeypatch, seen_echo, carried, explanation):
    calls = []

    def record(*arguments):
        calls.append(arguments)
        return explanation(carried("0.0", "here", "x"))

    monkeypatch.setattr(question, "explain", record)
    explained(seen_echo)
    assert calls == [(seen_echo.model, seen_echo.task, seen_echo.kept, seen_echo.seed)]


def test_sentences_rest_on_rows_of_the_first_table(asked, carried, explanation):
    section = asked(explanation(carried("0.0", "here", "x"), carried("1.0", "there", "y")))
    rows = section.tables[0].rows
    for sentence in section.words[:2]:
        (number,) = sentence.nodes
        assert rows[number][2] in sentence.text
    assert [row[:3] for row in rows] == [("1", "head 0.0 here", "x"), ("2", "head 1.0 there", "y")]
    assert [row[0] for row in section.tables[1].rows][:2] == ["flat", "recursive"]


def test_of_many_names_for_one_fact_three_are_told(asked, carried, explanation):
    names = tuple(Concept(f"name {at}", lambda inputs: inputs.tokens) for at in range(5))
    section = asked(
        explanation(carried("0.0", "here", "x", also=names[:3]), carried("1.0", "here", "y", also=names))
    )
    assert [row[-1] for row in section.tables[0].rows] == [
        "name 0, name 1, name 2",
        "name 0, name 1, name 2, 2 more",
    ]


def test_places_that_the_drawing_has_no_room_for_are_counted_below_it(asked, carried, explanation):
    nodes = [carried("0.0", f"at position {at}", "x") for at in range(7)]
    assert "2 more places" in asked(explanation(*nodes)).overview[0].caption
    assert "more places" not in asked(explanation(*nodes[:5])).overview[0].caption
