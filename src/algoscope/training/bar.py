"""A run's progress in a terminal, or as lines in a log."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from algoscope.training import run


class Bar:
    """Shows each report of a run that it is called with, on standard error.

    Where that is no terminal, one line for each evaluation takes the place of the bar.
    """

    def __init__(self, batch: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]}  accuracy {task.fields[accuracy]}"),
            _Rate(batch),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, loss="–", accuracy="–")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def __call__(self, report: run.Progress) -> None:
        loss = f"{report.loss:.4f}"
        self._progress.update(self._task, completed=report.step, total=report.steps, loss=loss)
        if report.accuracy is None:
            return
        accuracy = f"{report.accuracy:.2%}"
        self._progress.update(self._task, accuracy=accuracy)
        if not self._console.is_terminal:
            line = f"step {report.step}/{report.steps}  loss {loss}  accuracy {accuracy}"
            self._console.print(line, highlight=False)


class _Rate(ProgressColumn):
    """Examples per second."""

    def __init__(self, batch: int) -> None:
        super().__init__(Column(no_wrap=True))
        self._batch = batch

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed * self._batch:,.0f} examples/s")
