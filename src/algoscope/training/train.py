"""Training into a checkpoint file that is valid whenever one looks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import algoscope
from algoscope.checkpoints import checkpoint
from algoscope.errors import UserError
from algoscope.training import resume
from algoscope.training.recipe import Recipe
from algoscope.training.run import FINAL, Progress, Run, derived_seed, score

FINAL_EXAMPLES = 20_000


def ignore(progress: Progress) -> None:
    """Show nothing."""


def train(
    run: Run,
    out: Path,
    target: float | None = None,
    command: str | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Mapping[str, object]:
    """Train to the last step, or until an evaluation reaches the accuracy `target`. The training record.

    At every evaluation and on Ctrl-C, which is raised again, `out` receives the model so far, and a file
    beside it all that `resume.restore` needs; the latter is removed when the run has come to its end.
    `command` is recorded as what made the checkpoint.
    """
    if target is not None and not 0 < target <= 1:
        raise UserError(f"target is {target}: give a share of right answers above 0 and up to 1, like 0.999")
    try:
        for progress in run:
            on_progress(progress)
            if progress.accuracy is None:
                continue
            if target is not None and progress.accuracy >= target:
                break
            _keep(run, out, record(run, command))
        finished = record(run, command) | evaluation(run)
    except KeyboardInterrupt:
        _keep(run, out, record(run, command))
        raise
    checkpoint.write(out, run.model, run.task.name, finished)
    resume.beside(out).unlink(missing_ok=True)
    return finished


def _keep(run: Run, out: Path, training: Mapping[str, object]) -> None:
    # The file to resume from first: it alone is enough, should the power fail between the two.
    resume.write(resume.beside(out), run)
    checkpoint.write(out, run.model, run.task.name, training)


def record(run: Run, command: str | None) -> dict[str, object]:
    """How a run got to where it is: what a checkpoint's header says under `training`."""
    recipe = run.recipe
    return {
        "command": command,
        "seed": run.seed,
        "steps": run.step,
        "steps_planned": recipe.steps,
        "batch": recipe.batch,
        "examples_seen": run.step * recipe.batch,
        "optimizer": "AdamW",
        "schedule": "one-cycle",
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "clip": recipe.clip,
        "biases": recipe.biases,
        "final_loss": run.loss,
        "seconds": round(run.seconds, 1),
        "device": str(run.model.W_E.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "algoscope": algoscope.__version__,
    }


def evaluation(run: Run) -> dict[str, object]:
    """How good the model is on a sample that nothing in the run, an early stop included, has looked at."""
    seed = derived_seed(run.seed, FINAL, 0)
    loss, accuracy = score(run.model, run.task.sample(FINAL_EXAMPLES, seed))
    return {
        "accuracy": accuracy,
        "evaluation_loss": loss,
        "evaluation_examples": FINAL_EXAMPLES,
        "evaluation_seed": seed,
    }


def command_line(task: str, seed: int, recipe: Recipe, usual: Recipe, **options: object) -> str:
    """The command that makes this run, without folders: what differs from the `usual` recipe, and `options`
    that are not None."""
    path, colon, name = task.rpartition(":")
    words = ["algoscope train", f"{Path(path).name}{colon}{name}", f"--seed {seed}"]
    changes = {
        key: value for key, value in recipe.to_dict().items() if usual.to_dict()[key] != value
    } | options
    words += [f"--{key.replace('_', '-')} {value}" for key, value in changes.items() if value is not None]
    return " ".join(words)


def check_out(out: Path, replace: bool) -> None:
    """Raises UserError, before any time is spent, if a run can't write its checkpoint at `out`, or would
    `replace` what is there unasked."""
    kept = resume.beside(out)
    if out.is_dir():
        raise UserError(f"{out} is a folder: give a file in it, like {out / 'model.safetensors'}")
    if out.exists() and not replace:
        raise UserError(f"{out} exists: give another --out, or --force to replace it, or --resume to go on")
    if kept.exists() and not replace:
        raise UserError(f"{kept} is an unfinished run: give --resume to go on, or --force to start again")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise UserError(f"can't write in {out.parent} ({error.strerror}): give another --out") from error
