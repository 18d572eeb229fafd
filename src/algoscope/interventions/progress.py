"""A progress bar for work that turns out to be long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

PATIENCE = 2.0
"""Seconds of work before a bar appears."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} runs/s" if task.speed else "")


class Progress:
    """Counts runs, and shows a bar on a terminal's standard error once `PATIENCE` is over."""

    def __init__(self, total: int) -> None:
        columns = (
            TextColumn("interventions"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._bar = RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("interventions", total=total)
        self._start = time.monotonic()

    def advance(self, runs: int) -> None:
        if not self._bar.live.is_started and time.monotonic() - self._start > PATIENCE:
            self._bar.start()
        self._bar.advance(self._task, runs)

    def stop(self) -> None:
        self._bar.stop()


@contextmanager
def progress(total: int) -> Iterator[Progress]:
    """A bar for `total` runs, taken away at the end, an exception included."""
    bar = Progress(total)
    try:
        yield bar
    finally:
        bar.stop()
