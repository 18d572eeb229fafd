from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from algoscope.errors import UserError
from algoscope.training import resume
from algoscope.training.run import Run


def part_of(run, steps):
    """Train until `steps` steps are done, in the middle of a chunk of batches or not."""
    while run.step < steps:
        run.advance()
    return run


@pytest.mark.parametrize("stop", [0, 1, 16, 37, 79])
def test_a_resumed_run_ends_with_exactly_the_weights_of_an_uninterrupted_one(small, tiny, tmp_path, stop):
    whole = part_of(Run(small("First"), tiny), 80)
    resume.write(tmp_path / "run", part_of(Run(small("First"), tiny), stop))
    resumed = Run(small("First"), tiny)
    resume.restore(tmp_path / "run", resumed)
    assert resumed.step == stop
    part_of(resumed, 80)
    for expected, value in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(value, expected)


def test_a_run_without_biases_is_resumed_too(small, tiny, tmp_path):
    recipe = replace(tiny, biases=False)
    whole = part_of(Run(small("First"), recipe), 80)
    resume.write(tmp_path / "run", part_of(Run(small("First"), recipe), 37))
    resumed = Run(small("First"), recipe)
    resume.restore(tmp_path / "run", resumed)
    part_of(resumed, 80)
    for expected, value in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(value, expected)


@pytest.mark.parametrize("change", [{"steps": 81}, {"lr": 0.02}, {"d_mlp": 8}])
def test_a_run_with_another_recipe_is_not_resumed(small, tiny, tmp_path, change):
    resume.write(tmp_path / "run", Run(small("First"), tiny))
    with pytest.raises(UserError, match=f"with {next(iter(change))} .*, not .*resume with the options"):
        resume.restore(tmp_path / "run", Run(small("First"), replace(tiny, **change)))


def test_a_run_with_another_seed_or_task_is_not_resumed(small, tiny, tmp_path):
    resume.write(tmp_path / "run", Run(small("First"), tiny))
    with pytest.raises(UserError, match="with seed 0, not 1"):
        resume.restore(tmp_path / "run", Run(small("First"), tiny, seed=1))
    with pytest.raises(UserError, match="with task first, not reversed"):
        resume.restore(tmp_path / "run", Run(small("Reversed"), tiny))


def test_no_file_is_nothing_to_resume(small, tiny, tmp_path):
    with pytest.raises(UserError, match="nothing to resume"):
        resume.restore(tmp_path / "run", Run(small("First"), tiny))


def test_a_file_cut_short_is_damaged(small, tiny, tmp_path):
    resume.write(tmp_path / "run", part_of(Run(small("First"), tiny), 3))
    content = (tmp_path / "run").read_bytes()
    (tmp_path / "run").write_bytes(content[:-10])
    with pytest.raises(UserError, match="damaged"):
        resume.restore(tmp_path / "run", Run(small("First"), tiny))
