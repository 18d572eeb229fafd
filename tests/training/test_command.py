"""`algoscope train`, as it is typed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from algoscope import cli
from algoscope.checkpoints import checkpoint

SMALL = Path(__file__).with_name("small_tasks.py")


def algoscope(*words):
    command = [sys.executable, "-m", "algoscope.cli", *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


STEPS = 800
"""Long after the first checkpoint, which is when Ctrl-C is pressed."""


def test_a_users_own_task_is_trained_stopped_by_ctrl_c_and_resumed(tmp_path, monkeypatch, capsys):
    out = tmp_path / "first.safetensors"
    words = ["train", f"{SMALL}:First", "--seed", "1", "--out", str(out), "--batch", "8"]
    words += ["--d-model", "16", "--n-layers", "1", "--steps", str(STEPS)]
    process = algoscope(*words)
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "--resume goes on" in err
    steps = checkpoint.read(out).training["steps"]
    assert 250 <= steps < STEPS

    monkeypatch.setattr(sys, "argv", ["algoscope", *words, "--resume"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 0, shown.err
    assert shown.out == f"{out}: accuracy 100.00% on 20000 fresh examples\n"
    training = checkpoint.read(out).training
    assert training["steps"] == STEPS
    assert training["command"] == (
        f"algoscope train small_tasks.py:First --seed 1 --n-layers 1 --d-model 16 --steps {STEPS} --batch 8"
    )
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bracket",), "did you mean 'brackets'?"),
        (("brackets", "--out", "there"), "there exists"),
        (("brackets", "--out", "no/where"), "can't write in no"),
        (("brackets", "--n-heads", "5"), "does not divide into 5 heads"),
        (("brackets", "--resume"), "nothing to resume"),
        (("brackets", "--target", "99"), "target is 99.0"),
        (
            (f"{SMALL}:Mislabelled",),
            "the task Mislabelled: labels reach from 1 to 2: there are the classes 0 to 1",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_and_writes_nothing(
    tmp_path, monkeypatch, capsys, words, message
):
    (tmp_path / "there").write_text("precious")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["algoscope", "train", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr()
    assert (stopped.value.code, shown.out) == (2, "")
    assert message in shown.err
    assert shown.err.startswith("algoscope: ")
    assert shown.err.count("\n") == 1
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there", "precious")]
