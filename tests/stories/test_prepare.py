from __future__ import annotations

import json

import pytest

import algoscope
from algoscope.checkpoints import checkpoint
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.stories.prepare import prepare, settings


@pytest.fixture
def file(tmp_path, untrained):
    path = tmp_path / "toy.safetensors"
    checkpoint.write(path, untrained.model, task="brackets")
    return str(path)


def test_the_task_that_the_file_records_is_the_default(file):
    prepared = prepare(file, count=50, seed=3)
    assert prepared.task.name == "brackets"
    assert len(prepared.examples) == 50
    assert prepared.source == "sampled by the task with seed 3"


def test_a_file_without_a_task_asks_for_one(tmp_path, untrained):
    path = tmp_path / "toy.safetensors"
    checkpoint.write(path, untrained.model)
    with pytest.raises(UserError, match=r"give --task, one of brackets, palindromes, .*, or path"):
        prepare(str(path))


def test_own_data_is_used_whole_unless_a_count_is_given(file, tmp_path):
    data = tmp_path / "mine.json"
    data.write_text(json.dumps([["()", True], ["((", False], ["(())", True]]))
    assert len(prepare(file, data=data).examples) == 3
    some = prepare(file, data=data, count=2)
    assert len(some.examples) == 2
    assert some.source == "the first 2 of mine.json"


def test_settings_are_read_as_numbers_names_and_nothing():
    pairs = ["eps=1e-6", "n_heads=4", "act_fn=relu", "pad_token=none"]
    assert settings(pairs) == {"eps": 1e-6, "n_heads": 4, "act_fn": "relu", "pad_token": None}


@pytest.mark.parametrize("pair", ["attention_dir", "direction=causal", "task=brackets", "=1"])
def test_what_is_no_setting_is_named_with_those_there_are(pair):
    with pytest.raises(UserError, match=f"--set {pair}: give NAME=VALUE, NAME one of n_layers, "):
        settings([pair])


@pytest.mark.parametrize("device", ["quantum", "cuda:99"])
def test_a_device_that_is_not_there_is_an_error(file, device):
    with pytest.raises(UserError, match="device"):
        prepare(file, device=device, count=2)


def test_a_task_that_only_the_checkpoint_names_is_not_run(tmp_path):
    ran = tmp_path / "ran"
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(ran)!r}, 'w')\nclass Evil: pass\n")
    config = algoscope.load("brackets").config
    path = tmp_path / "model.safetensors"
    checkpoint.write(path, Transformer(config), task=f"{evil}:Evil")
    with pytest.raises(UserError, match="does not come with algoscope: give --task"):
        prepare(str(path))
    assert not ran.exists()
