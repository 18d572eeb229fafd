"""Does a file give back the model that was written, and is every other file refused with a reason?"""

from __future__ import annotations

import json
import os

import pytest
import safetensors.torch
import torch

from algoscope.checkpoints.checkpoint import read, write
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer

OPEN = {"attention_dir": "bidirectional", "act_fn": "relu", "pad_token": 1}
TRAINING = {"seed": 3, "steps": 1500, "accuracy": 0.9995, "command": "algoscope train brackets"}


@pytest.fixture
def trained(padded_model):
    return padded_model.float()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "toy.safetensors"


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_what_is_written_is_read(model, path):
    model = model.float()
    write(path, model, "brackets", TRAINING)
    found = read(path)
    assert same(found.model.state_dict(), model.state_dict())
    assert found.model.config == model.config
    assert (found.task, found.training, found.inferred, found.name) == ("brackets", TRAINING, (), "toy")


def test_a_model_that_is_read_is_frozen_and_in_eval_mode(trained, path):
    write(path, trained.train().requires_grad_())
    found = read(path).model
    assert not found.training
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_writing_makes_folders_replaces_the_old_file_and_leaves_no_other(trained, tmp_path):
    path = tmp_path / "runs" / "toy.safetensors"
    write(path, trained)
    other = Transformer(trained.config, seed=8)
    write(path, other)
    assert same(read(path).model.state_dict(), other.state_dict())
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_is_interrupted_leaves_the_old_file(trained, path, monkeypatch):
    write(path, trained)
    before = path.read_bytes()

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, Transformer(trained.config, seed=8))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_can_not_be_written_is_one_error(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't write"):
        write(tmp_path / "file" / "toy.safetensors", trained)
    with pytest.raises(UserError, match="can't write"):
        write(tmp_path, trained)


def test_an_argument_overrides_what_the_file_states_and_is_recorded(trained, path):
    write(path, trained)
    found = read(path, given={"eps": 1e-3})
    assert found.model.config.eps == 1e-3
    assert [(each.setting, each.value) for each in found.inferred] == [("eps", 1e-3)]
    with pytest.raises(UserError, match=r"d_model is 9, but the weights have 8"):
        read(path, given={"d_model": 9})
    with pytest.raises(UserError, match="unknown setting 'epsilon'"):
        read(path, given={"epsilon": 1})


@pytest.mark.parametrize("name", ["toy.pt", "toy.pth", "toy.safetensors", "toy"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict_is_read_whatever_its_file_is_called(trained, tmp_path, name, legacy):
    path = tmp_path / name
    if name.endswith(".safetensors"):
        safetensors.torch.save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    found = read(path, usual=OPEN)
    assert same(found.model.state_dict(), trained.state_dict())
    assert found.model.config == trained.config
    assert (found.task, found.training) == (None, {})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_and_that_is_recorded(trained, path, dtype):
    torch.save({name: value.to(dtype) for name, value in trained.state_dict().items()}, path)
    found = read(path, usual=OPEN)
    assert found.model.W_E.dtype == torch.float32
    assert f"the file holds {str(dtype)[6:]}" in [each.source for each in found.inferred]


def test_a_pickle_that_would_execute_code_is_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'trodden'}",)

    for legacy in (False, True):
        path = tmp_path / f"trap{legacy}.pt"
        torch.save({"embed.W_E": Trap()}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(UserError, match=r"\(\w+\.system\), which could run code: save `model"):
            read(path, usual=OPEN)
    assert not (tmp_path / "trodden").exists()


def test_a_whole_model_that_was_pickled_is_refused(trained, tmp_path):
    torch.save(trained, tmp_path / "toy.pt")
    with pytest.raises(UserError, match="holds Python objects"):
        read(tmp_path / "toy.pt")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3, "model": {}}, torch.zeros(3)])
def test_a_file_with_something_else_in_it_says_what(tmp_path, content):
    torch.save(content, tmp_path / "toy.pt")
    with pytest.raises(UserError, match=f"it holds a {type(content).__name__}"):
        read(tmp_path / "toy.pt")


@pytest.mark.parametrize("kind", ["ours", "zip", "legacy"])
def test_a_file_cut_anywhere_is_one_clear_error(trained, path, kind):
    if kind == "ours":
        write(path, trained, "brackets", TRAINING)
    else:
        torch.save(trained.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 50, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"damaged or incomplete|cut short"):
            read(path, usual=OPEN)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "toy.pt").write_text("not a model at all")
    with pytest.raises(UserError, match="neither a safetensors file nor one"):
        read(tmp_path / "toy.pt")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pt: there is no such file"):
        read(tmp_path / "gone.pt")
    with pytest.raises(UserError, match=r"a folder without model.safetensors"):
        read(tmp_path)


def without(state, name):
    return {other: value for other, value in state.items() if other != name}


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: without(state, "blocks.1.attn.W_K"), "missing for this config: blocks.1.attn.W_K"),
        (lambda state: state | {"extra.W": torch.zeros(2)}, "unexpected for this config: extra.W"),
        (lambda state: without(state, "unembed.W_U"), "no unembed.W_U"),
        (
            lambda state: state | {"pos_embed.W_pos": torch.zeros(5, 7)},
            r"W_pos is \[5, 7\]: expected \[5, 8\]",
        ),
        (
            lambda state: state | {"blocks.0.mlp.W_in": torch.full((8, 7), torch.nan)},
            "56 values that are NaN",
        ),
        (lambda state: state | {"unembed.b_U": torch.zeros(3, dtype=torch.int32)}, "b_U holds int32"),
    ],
)
def test_weights_that_make_no_model_are_refused(trained, path, change, says, ours):
    write(path, trained)
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata() if ours else None
    safetensors.torch.save_file(change(trained.state_dict()), path, metadata)
    with pytest.raises(UserError, match=says):
        read(path, usual=OPEN)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": "{"}, "header is damaged"),
        ({"config": "[]"}, "config is no object"),
        ({"config": "{}"}, "config is incomplete"),
        ({"config": None}, "header is damaged"),
        ({"task": "3"}, "task or training"),
        ({"training": "[]"}, "task or training"),
        ({"algoscope": "2"}, "written in format 2, while this algoscope reads 1"),
    ],
)
def test_a_header_of_ours_that_was_spoilt_is_one_clear_error(trained, path, change, says):
    write(path, trained)
    with safetensors.safe_open(path, "pt") as file:
        metadata = {key: value for key, value in (file.metadata() | change).items() if value is not None}
    safetensors.torch.save_file(trained.state_dict(), path, metadata)
    with pytest.raises(UserError, match=says):
        read(path)


def test_a_header_with_other_sizes_than_the_weights_is_refused(trained, path):
    config = trained.config.to_dict() | {"n_layers": 40000}
    metadata = {"algoscope": "1", "config": json.dumps(config), "task": "null", "training": "{}"}
    safetensors.torch.save_file(trained.state_dict(), path, metadata)
    with pytest.raises(UserError, match=r"n_layers is 40000, but the weights have 2 \(number of blocks\)"):
        read(path)


def test_weights_too_small_for_a_normal_float_are_set_to_zero_and_that_is_recorded(trained, path):
    tiny = torch.finfo(torch.float32).tiny
    with torch.no_grad():
        trained.blocks[0].mlp.W_in[0, :3] = torch.tensor([tiny / 2, -tiny / 1000, tiny])
    write(path, trained)
    checkpoint = read(path)
    assert checkpoint.model.blocks[0].mlp.W_in[0, :3].tolist() == [0.0, 0.0, tiny]
    assert [fact.value for fact in checkpoint.inferred if fact.setting == "weights set to zero"] == [2]
    tokens = torch.arange(5).view(1, 5)
    assert torch.equal(checkpoint.model(tokens), trained.float()(tokens))
