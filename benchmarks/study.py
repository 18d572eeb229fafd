"""How long a study takes, question by question, and the most memory that it held.

    python benchmarks/study.py [MODEL] [--task TASK] [--examples N] [--data FILE]

By default the shipped brackets model, on 5,000 examples and then, in a process of its own, on 100,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from algoscope.report.folder import write_folder
from algoscope.stories.prepare import prepare
from algoscope.stories.run import run_study

RESULTS = Path(__file__).parent / "results"
COUNTS = (5_000, 100_000)


def measured(model: str, task: str | None, count: int | None, data: Path | None) -> dict[str, object]:
    """Seconds by part, and the peak of resident memory in GB, of this process."""
    torch.set_num_threads(2)
    start = time.perf_counter()
    prepared = prepare(model, task=task, count=count, data=data)
    marks = [("prepare", start)]
    study = run_study(
        prepared.checkpoint, prepared.task, prepared.examples,
        tell=lambda doing: marks.append((doing, time.perf_counter())),
    )  # fmt: skip
    marks.append(("page", time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder:
        write_folder(study, Path(folder))
    ends = [at for _, at in marks[1:]] + [time.perf_counter()]
    seconds = {part: end - at for (part, at), end in zip(marks, ends, strict=True)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "examples": len(prepared.examples),
        "seconds": seconds,
        "all": sum(seconds.values()),
        "peak_gb": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="brackets")
    parser.add_argument("--task")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    if given.examples or given.data:
        found = measured(given.model, given.task, given.examples, given.data)
        print(json.dumps(found, indent=1))
        return
    # Memory that was once held counts for good, so each count gets a process of its own.
    task = ["--task", given.task] if given.task else []
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, __file__, given.model, *task, "--examples", str(count)],
                stdout=subprocess.PIPE, check=True,
            ).stdout
        )
        for count in COUNTS
    ]  # fmt: skip
    for found in runs:
        print(f"{found['examples']:>7,} examples: {found['all']:5.1f} s, {found['peak_gb']:.2f} GB at most")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "study.json").write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
