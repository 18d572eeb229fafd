from __future__ import annotations

import json

import pytest
from rich.console import Console

from algoscope.checkpoints.check import Score
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.checkpoints.settings import Inference
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.report.checked import checked_json, checked_lines, checked_table

CONFIG = Config(
    n_layers=1, d_model=4, n_heads=1, d_head=4, n_ctx=3, d_vocab=3, d_vocab_out=2, attention_dir="causal"
)


@pytest.fixture
def found():
    inferred = (
        Inference("attention_dir", "causal", "usual for the task", assumed=True),
        Inference("biases", "zero", "not in the file: \x1b[31mb_U"),
    )
    return Checkpoint(Transformer(CONFIG), None, {}, inferred, "toy\x1b[2J", "a format")


def test_each_setting_has_a_line_with_its_source_and_what_is_uncertain_says_so(found, capsys):
    Console(markup=False, highlight=False, width=160).print(checked_table(found))
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(CONFIG.to_dict()) | {"biases"} < set(lines)
    assert "usual for the task (not certain)" in lines["attention_dir"]
    assert "the file states it" in lines["d_model"]
    assert "\x1b" not in out


def test_the_end_says_what_it_is_and_how_well_it_does(found):
    lines = checked_lines(found, Score("brackets", 50, 100, 0.5))
    assert lines[0].startswith("toy\\x1b[2J: a format, ")
    assert lines[1] == "brackets: 50.00% of 100 answers are right; one constant answer gets 50.00%"
    assert lines[2].startswith("warning: 50.0% of answers are right")
    assert checked_lines(found, None)[1] == "no task: give --task to see whether it does it"


def test_json_has_the_same(found):
    record = json.loads(checked_json(found, Score("brackets", 90, 100, 0.5)))
    assert (record["accuracy"], record["chance"], record["warning"]) == (0.9, 0.5, None)
    assert record["assumed"] == ["attention_dir"]
    assert record["config"] == CONFIG.to_dict()
    assert json.loads(checked_json(found, None))["accuracy"] is None
