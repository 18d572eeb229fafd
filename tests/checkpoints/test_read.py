"""Are models found by name and path, and checked against their task?"""

from __future__ import annotations

import pytest
import torch

import algoscope
from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import write
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets

SETTINGS = {
    "n_layers": 1, "d_model": 4, "n_heads": 1, "d_head": 2, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2,
    "attention_dir": "bidirectional", "pad_token": 1,
}  # fmt: skip


def toy(**changes):
    return Transformer(Config.from_dict(SETTINGS | changes))


@pytest.fixture
def state_dict(tmp_path):
    torch.save(toy().state_dict(), tmp_path / "toy.pt")
    return tmp_path / "toy.pt"


def test_a_task_fills_in_what_a_state_dict_can_not_say(state_dict):
    for task in ("brackets", Brackets()):
        found = checkpoints.read(state_dict, task=task)
        assert found.model.config == toy().config
        assert (found.task, found.name) == ("brackets", "toy")


def test_without_a_task_the_argument_that_is_needed_is_named(state_dict):
    with pytest.raises(UserError, match=r"give attention_dir= "):
        checkpoints.read(state_dict)
    found = checkpoints.read(state_dict, attention_dir="causal")
    assert (found.model.config.attention_dir, found.task) == ("causal", None)


def test_an_argument_overrides_the_task(state_dict):
    found = checkpoints.read(state_dict, task="brackets", pad_token=None)
    assert found.model.config.pad_token is None


def test_load_gives_the_model_alone(state_dict):
    assert isinstance(algoscope.load(str(state_dict), task="brackets"), Transformer)


def test_the_task_that_a_file_records_is_used_unless_another_is_given(tmp_path):
    write(tmp_path / "toy.safetensors", toy(), task="brackets")
    assert checkpoints.read(tmp_path / "toy.safetensors").task == "brackets"
    with pytest.raises(UserError, match="does not fit the task palindromes"):
        checkpoints.read(tmp_path / "toy.safetensors", task="palindromes")


def test_reading_does_not_run_the_file_that_a_checkpoint_names_as_its_task(tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text("raise RuntimeError('it was run')")
    write(tmp_path / "toy.safetensors", toy(), task=f"{trap}:Trap")
    assert checkpoints.read(tmp_path / "toy.safetensors").task == f"{trap}:Trap"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"d_vocab": 6},
            "toy.safetensors does not fit the task brackets: it has 6 input tokens, and the task has 5",
        ),
        ({"d_vocab_out": 3}, "it has 3 classes, and the task has 2"),
        ({"n_ctx": 41}, "it reads 41 tokens, and the task's inputs have up to 42"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_model_that_does_not_fit_the_task_is_refused(tmp_path, change, says, recorded):
    write(tmp_path / "toy.safetensors", toy(**change), task="brackets" if recorded else None)
    with pytest.raises(UserError, match=says):
        checkpoints.read(tmp_path / "toy.safetensors", task=None if recorded else "brackets")


def test_a_shipped_model_is_found_by_name_before_a_file_and_a_misspelt_one_is_suggested(
    tmp_path, monkeypatch
):
    shipped = tmp_path / "shipped"
    write(shipped / "brackets.safetensors", toy(), task="brackets")
    monkeypatch.setattr(checkpoints, "SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brackets").mkdir()
    assert checkpoints.read("brackets").name == "brackets"
    with pytest.raises(
        UserError, match=r"no checkpoint 'braket': did you mean 'brackets'\? .* come with algoscope"
    ):
        checkpoints.read("braket")


def test_a_path_that_leads_nowhere_is_one_error(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint '.*gone\.pt'"):
        checkpoints.read(tmp_path / "gone.pt")


def test_the_public_models_are_read_with_their_published_settings(reference):
    config = algoscope.load(reference / "arena" / "brackets_model_state_dict.pt", task="brackets").config
    assert config == Config(
        n_layers=3, d_model=56, n_heads=2, d_head=28, d_mlp=56, act_fn="relu", n_ctx=42, d_vocab=5,
        d_vocab_out=2, attention_dir="bidirectional", normalization_type="LN", eps=1e-5, pad_token=1,
    )  # fmt: skip
    config = algoscope.load(reference / "arena" / "palindrome_classifier.pt", task="palindromes").config
    assert config == Config(
        n_layers=2, d_model=28, n_heads=2, d_head=14, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", normalization_type="LN", eps=1e-5,
    )  # fmt: skip


def test_each_task_has_a_shipped_model_and_all_are_under_3_megabytes():
    assert set(checkpoints.shipped()) == set(registry.names())
    assert sum(path.stat().st_size for path in checkpoints.shipped().values()) < 3_000_000
