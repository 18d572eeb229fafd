from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algoscope import checkpoints
from algoscope.checkpoints import checkpoint
from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.training import resume
from algoscope.training.recipe import recipe_for
from algoscope.training.run import Run, score
from algoscope.training.train import check_out, command_line, train


def interrupt_at(step):
    def on_progress(progress):
        if progress.step >= step:
            raise KeyboardInterrupt

    return on_progress


def test_the_file_holds_the_model_with_a_record_of_its_training(small, tiny, tmp_path):
    run = Run(small("First"), tiny, seed=5)
    made = train(run, tmp_path / "first.safetensors", command="algoscope train first")
    found = checkpoint.read(tmp_path / "first.safetensors")
    assert found.training == made
    assert found.task == "first"
    assert (made["command"], made["seed"], made["steps"]) == ("algoscope train first", 5, 80)
    assert (made["examples_seen"], made["torch"]) == (80 * 64, torch.__version__)
    for name, value in run.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value)


def test_the_recorded_accuracy_can_be_measured_again(small, tiny, tmp_path):
    made = train(Run(small("Reversed"), replace(tiny, steps=6)), tmp_path / "m")
    model = checkpoint.read(tmp_path / "m").model
    examples = small("Reversed").sample(made["evaluation_examples"], made["evaluation_seed"])
    assert 0.1 < made["accuracy"] < 1
    assert score(model, examples) == (pytest.approx(made["evaluation_loss"]), made["accuracy"])


def test_an_interrupted_run_leaves_a_checkpoint_and_goes_on_to_the_same_weights(small, tiny, tmp_path):
    out = tmp_path / "m"
    train(Run(small("First"), tiny), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(Run(small("First"), tiny), out, on_progress=interrupt_at(30))
    left = checkpoint.read(out)
    assert left.training["steps"] == 30
    assert left.training["steps_planned"] == 80
    assert "accuracy" not in left.training
    resumed = Run(small("First"), tiny)
    resume.restore(resume.beside(out), resumed)
    train(resumed, out)
    whole, made = (checkpoint.read(path) for path in (tmp_path / "whole", out))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(made.model.state_dict()[name], value)
    assert made.training["final_loss"] == whole.training["final_loss"]


def test_a_finished_run_leaves_one_file(small, tiny, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(Run(small("First"), tiny), tmp_path / "m", on_progress=interrupt_at(10))
    assert {path.name for path in tmp_path.iterdir()} == {"m", "m.resume"}
    train(Run(small("First"), tiny), tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_run_stops_at_its_target(small, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("algoscope.training.run.EVALUATE_EVERY", 10)
    made = train(Run(small("First"), replace(tiny, steps=5000)), tmp_path / "m", target=0.95)
    assert made["steps"] < 1000
    assert made["accuracy"] > 0.9


def test_a_target_in_percent_is_refused(small, tiny, tmp_path):
    with pytest.raises(UserError, match=r"target is 99\.9: give a share"):
        train(Run(small("First"), tiny), tmp_path / "m", target=99.9)


def test_the_command_names_what_differs_from_the_recipe_and_no_folder():
    usual = recipe_for(registry.get("brackets"))
    assert command_line("brackets", 0, usual, usual, target=None) == "algoscope train brackets --seed 0"
    changed = replace(usual, d_mlp=0, lr=0.5)
    assert (
        command_line("/home/me/sort.py:Sort", 2, changed, usual, target=0.99)
        == "algoscope train sort.py:Sort --seed 2 --d-mlp 0 --lr 0.5 --target 0.99"
    )


def test_what_is_there_is_not_overwritten_unasked(tmp_path):
    (tmp_path / "m").write_text("precious")
    (tmp_path / "n.resume").write_text("half done")
    with pytest.raises(UserError, match="exists: give another --out, or --force"):
        check_out(tmp_path / "m", replace=False)
    with pytest.raises(UserError, match="unfinished run: give --resume"):
        check_out(tmp_path / "n", replace=False)
    check_out(tmp_path / "m", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "n.resume"]


@pytest.mark.parametrize(
    ("out", "message"),
    [("", "is a folder"), ("missing/m", "can't write in .*missing"), ("file/m", "can't write")],
)
def test_a_place_that_can_not_be_written_is_refused_before_training(tmp_path: Path, out, message):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=message):
        check_out(tmp_path / out, replace=False)


@pytest.mark.parametrize("name", registry.names())
def test_the_shipped_model_was_made_by_the_train_command_and_is_right_999_times_in_1000(name):
    found = checkpoints.read(name)
    task = registry.get(name)
    assert found.task == name
    assert found.training["command"] == f"algoscope train {name} --seed {found.training['seed']}"
    assert found.model.config == recipe_for(task).config(task)
    recipe = recipe_for(task).to_dict()
    for setting in ("batch", "lr", "weight_decay", "clip"):
        assert found.training[setting] == recipe[setting]
    assert found.training["steps"] == recipe["steps"]
    # The first two models' records are from before a recipe could do without.
    assert found.training.get("biases", True) == recipe["biases"]
    assert found.training["accuracy"] >= 0.999
    assert score(found.model, task.sample(5_000, seed=2026))[1] >= 0.999
