"""An explanation written by hand, for a terminal and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from algoscope.discovery.effects import Interval
from algoscope.explanation.concepts import Concept
from algoscope.report.explanation import (
    explanation_json,
    explanation_words,
    losses,
    printed,
    write_explanation,
)
from algoscope.report.program import program_record


@pytest.fixture
def found(carried, explanation):
    also = Concept("the place", lambda inputs: inputs.place)
    return explanation(
        carried("0.1", "after <sep>", "the token here", "how many a", needed=(0.5, None), also=(also,)),
        carried("MLP 1", "at <sep>", needed=()),
        flat=0.9,
        recursive=0.625,
    )


def shown(found) -> str:
    console = Console(width=200, record=True, markup=False, highlight=False)
    for part in printed(found):
        console.print(part)
    return console.export_text()


def test_json_holds_every_node_test_and_sentence(found):
    read = json.loads(explanation_json(found))
    assert list(read) == ["nodes", "idle", "survives", "program", "words"]
    first, second = read["nodes"]
    assert first == {
        "component": "0.1", "position": "after <sep>", "concept": "the token here, with how many a",
        "bits": 1.5, "carried": 0.96, "refined": ["the token here", "how many a"],
        "needed": {"the token here": 0.5, "how many a": None},
        "importance": {"kl": 1.25, "changed": 0.75}, "explained": True, "also": ["the place"],
    }  # fmt: skip
    assert (second["concept"], second["explained"], second["needed"]) == (None, False, {})
    assert read["idle"] == [{"component": f"3.{index}", "position": "everywhere"} for index in range(2)]
    assert list(read["survives"]) == ["flat", "recursive", "tables", "heads", "baselines"]
    assert read["survives"]["flat"] == {
        "accuracy": 0.9, "kl": 0.1, "same": 0.9, "interval": [0.9 - 0.05, 0.9 + 0.05],
    }  # fmt: skip
    assert {name: each["same"] for name, each in read["survives"]["baselines"].items()} == {
        "true label": 0.985,
        "most frequent": 0.25,
    }
    assert read["program"] == {}
    assert read["words"][0] == {
        "text": "Head 0.1 after <sep> carries the token here, with how many a.",
        "nodes": [0],
    }


def test_the_tables_have_a_line_for_each_node_and_test(found):
    lines = [" ".join(line.split()) for line in shown(found).splitlines()]
    told = "head 0.1 after <sep> the token here, with how many a 1.5 96% (95% to 97%) 0.50, – 1.25"
    assert f"1 {told}" in lines
    assert any(line.startswith("2 MLP 1 at <sep> not understood") for line in lines)
    rows = [line.split() for line in lines]
    assert ["flat", "90%", "(85%", "to", "95%)", "90%", "0.1"] in rows
    assert ["true", "label", "98.5%", "(93.5%", "to", "100%)", "90%", "–"] in rows
    assert rows[-1][:5] == ["Recursively,", "most", "is", "lost", "by"]


def test_what_is_taken_to_be_carried_beyond_that_with_all_others_stands_apart(carried, explanation):
    more = tuple(Concept(name, lambda inputs: inputs.place) for name in ("the token here", "the place"))
    found = explanation(carried("0.0", "here", "the token here", refined=more))
    assert json.loads(explanation_json(found))["nodes"][0]["refined"] == ["the token here", "the place"]
    assert any(line.rstrip().endswith("1.25    +1") for line in shown(found).splitlines())


def test_each_sentence_names_the_lines_of_the_table_that_it_rests_on(found):
    first, second, *_, last = explanation_words(found).splitlines()
    assert first.endswith("how many a. [1]")
    assert second.endswith("keeps any of it. [2]")
    assert last.endswith("of inputs.")


def test_the_steps_that_lose_most_are_named_and_those_that_lose_nothing_are_not(found, explanation):
    assert "head 0.1 after <sep> (12.5%)" in losses(found)
    assert losses(explanation()) == ""


def test_what_is_not_finite_is_null_in_json_and_bounded_in_the_table(carried, explanation):
    endless = Interval(0.5, -math.inf, math.inf)
    found = explanation(carried("0.0", "here", "x", carried=endless))
    assert json.loads(explanation_json(found))["nodes"][0]["carried"] == 0.5
    assert "50% (0% to 100%)" in shown(found)


def test_no_name_reaches_the_terminal_as_it_is(carried, explanation):
    found = explanation(carried("0.0", "at [red]\x1b[31m", "\x1b]0;title\x07", "two\nlines"))
    text = shown(found)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "at [red]\\x1b[31m" in text
    assert "two\\nlines" in text


def test_a_model_without_nodes_is_told_of_too(explanation):
    assert "No head and no MLP matters" in shown(explanation())
    assert json.loads(explanation_json(explanation()))["nodes"] == []


def test_the_folder_has_the_program_only_if_there_is_one(found, written, tmp_path):
    path = write_explanation(found, tmp_path / "one")
    assert json.loads(path.read_text())["program"] == {}
    assert sorted(each.name for each in path.parent.iterdir()) == ["explanation.json", "explanation.svg"]
    path = write_explanation(replace(found, written=written), tmp_path / "two")
    assert (path.parent / "program.py").read_text() == written.listing
    assert json.loads(path.read_text())["program"] == program_record(written)
