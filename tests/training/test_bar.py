from __future__ import annotations

import io

from rich.console import Console

from algoscope.training.bar import Bar
from algoscope.training.run import Progress

REPORTS = (Progress(10, 40, 0.6931, None), Progress(20, 40, 0.5, 0.875))


def shown(console):
    with Bar(batch=64, console=console) as bar:
        for report in REPORTS:
            bar(report)
    return console.file.getvalue()


def test_a_terminal_shows_step_loss_and_accuracy():
    text = shown(Console(file=io.StringIO(), force_terminal=True, width=120))
    assert "step 20/40" in text
    assert "loss 0.5000" in text
    assert "accuracy 87.50%" in text
    assert "examples/s" in text


def test_a_log_gets_one_line_for_each_evaluation():
    assert shown(Console(file=io.StringIO(), width=120)) == "step 20/40  loss 0.5000  accuracy 87.50%\n"
