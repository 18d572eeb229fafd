"""Every task and shipped model, listed as it is."""

from __future__ import annotations

import json
import sys

import pytest

from algoscope import checkpoints, cli
from algoscope.catalogue import Entry, answer, entries
from algoscope.checkpoints.checkpoint import write
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.report.listing import listing_json, listing_table
from algoscope.tasks import registry


@pytest.fixture
def run(monkeypatch, capsys):
    def command(*words):
        monkeypatch.setattr(sys, "argv", ["algoscope", "list", *words])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, capsys.readouterr().out

    return command


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("brackets", "one of 2 classes"),
        ("sorting", "one of 20 classes, 6 times"),
        ("reversal", "one of 10 classes, 2 to 10 times"),
        ("nesting", "a set of 5 classes, 2 to 21 times"),
    ],
)
def test_an_answer_is_told_in_words(name, words):
    assert answer(registry.get(name)) == words


def test_each_task_is_listed_with_its_question():
    listed = {entry.task: entry.asks for entry in entries()}
    assert list(listed) == list(registry.names())
    assert all(asks.endswith("?") for asks in listed.values())


def test_a_model_is_listed_with_its_size_and_record_and_a_task_without_one_is_too(tmp_path, monkeypatch):
    config = Config(
        n_layers=1, d_model=3, n_heads=1, d_head=2, n_ctx=4, d_vocab=64, d_vocab_out=64,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    record = {"accuracy": 0.98765, "evaluation_examples": 200}
    write(tmp_path / "mine.safetensors", Transformer(config), "maximum", record)
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    found = {entry.task: entry for entry in entries()}
    size = 64 * 3 + 4 * 3 + 4 * 3 * 2 + 3 * 2 + 3 + 3 * 64 + 64
    assert found["maximum"] == Entry(
        "maximum", "Which of four numbers is the largest?", "one of 64 classes", "mine", size, 0.98765, 200
    )
    assert found["sorting"].model is None
    assert found["sorting"].accuracy is None


def test_the_command_prints_every_task(run):
    code, out = run()
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["task", *registry.names()]


def test_the_command_prints_json_with_every_field(run):
    code, out = run("--json")
    assert code == 0
    assert [Entry(**entry) for entry in json.loads(out)] == entries()


def test_a_size_and_an_accuracy_are_written_for_people():
    entry = Entry("maximum", "Which?", "one of 64 classes", "mine", 12345, 0.98765, 200)
    columns = {str(column.header): list(column.cells) for column in listing_table([entry]).columns}
    assert [str(cell) for cell in columns["parameters"] + columns["right"]] == ["12,345", "98.77%"]
    assert json.loads(listing_json([entry]))[0]["accuracy"] == 0.98765
