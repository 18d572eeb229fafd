"""Timing that holds on a noisy machine: contenders take turns, and what others do meanwhile is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

NOISY = 0.05
"""The share of the machine's processor time that others may take before a run is flagged."""


@dataclass
class Contender:
    """Something to time: `once()` does the work and returns the seconds that it took."""

    name: str
    once: Callable[[], float]
    seconds: list[float] = field(default_factory=list)


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """A contender in this process."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return once


class Peer:
    """A library in an environment of its own: a worker process that times itself on request."""

    def __init__(self, python: Path, script: Path, workload: Path) -> None:
        self.process = subprocess.Popen(
            [str(python), str(script), str(workload)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()["version"]

    def once(self, task: str) -> Callable[[], float]:
        return lambda: float(self.ask(task)["seconds"])

    def ask(self, task: str) -> dict[str, Any]:
        """What the worker answers to a request."""
        assert self.process.stdin is not None
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError("the peer's process ended: see its message above")


def race(contenders: list[Contender], rounds: int) -> float:
    """Times every contender once a round, in turn; returns the share of processor time that others took."""
    for contender in contenders:
        # The first time is not counted: memory and caches are still cold.
        contender.once()
    before = _machine(), _ours(), time.perf_counter()
    order = Random(0)
    for _ in range(rounds):
        # In a new order each round: who runs after another process finds caches and threads cold.
        for contender in order.sample(contenders, len(contenders)):
            contender.seconds.append(contender.once())
    busy, ours, wall = _machine() - before[0], _ours() - before[1], time.perf_counter() - before[2]
    return max(0.0, busy - ours) / (wall * (os.cpu_count() or 1))


def ratios(contenders: list[Contender], yardstick: str) -> dict[str, float]:
    """Each contender's time over the yardstick's: the median of the ratios round by round."""
    base = next(c for c in contenders if c.name == yardstick).seconds
    return {c.name: median(t / b for t, b in zip(c.seconds, base, strict=True)) for c in contenders}


def report(title: str, contenders: list[Contender], yardstick: str, others: float) -> Mapping[str, object]:
    """Prints the table and returns what goes into the JSON file."""
    over = ratios(contenders, yardstick)
    table = Table(
        "contender", "median ms", "fastest ms", f"time / {yardstick}", title=title, title_justify="left"
    )
    for c in contenders:
        table.add_row(
            c.name, f"{1e3 * median(c.seconds):.2f}", f"{1e3 * min(c.seconds):.2f}", f"{over[c.name]:.3f}"
        )
    console = Console(width=110)
    console.print(table)
    flag = "  NOISY: others were busy, don't trust these ratios" if others > NOISY else ""
    console.print(f"others took {others:.1%} of the processors' time{flag}\n")
    return {
        "yardstick": yardstick,
        "ratios": over,
        "median_seconds": {c.name: median(c.seconds) for c in contenders},
        "others_share": others,
        "noisy": others > NOISY,
    }


def _machine() -> float:
    """Seconds that all processors have been busy for, anyone's work."""
    fields = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    """Seconds of processor time of this process and of its children, running ones included."""
    total = sum(os.times()[:2])
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(parts[1]) == os.getpid():
            total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return total
