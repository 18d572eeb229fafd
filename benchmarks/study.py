"""How long the brackets study takes, part by part, from reading the model to the page on disk."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from algoscope.report.folder import write_folder
from algoscope.questions import generic
from algoscope.stories.brackets.before import before_elevation
from algoscope.stories.brackets.circuit import circuit
from algoscope.stories.brackets.deciding import deciding_heads, elevation_attention
from algoscope.stories.brackets.fooling import fooling
from algoscope.stories.brackets.negative import first_bracket, negative
from algoscope.stories.brackets.neurons import neurons
from algoscope.stories.brackets.patterns import patterns
from algoscope.stories.brackets.subject import Subject
from algoscope.stories.brackets.tally import tally_attention
from algoscope.stories.brackets.tally_writes import tally_writes
from algoscope.questions.seen import observe
from algoscope.stories.prepare import prepare
from algoscope.questions.study import Section, Study

RESULTS = Path(__file__).parent / "results"
PARTS: tuple[Callable[[Subject], Section], ...] = (
    deciding_heads, elevation_attention, before_elevation, neurons, tally_attention, tally_writes, circuit,
    negative, first_bracket, fooling, patterns,
)  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    name = sys.argv[1] if len(sys.argv) > 1 else "brackets"
    times: dict[str, float] = {}

    def timed(part: str, work: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = work()
        times[part] = time.perf_counter() - start
        print(f"{part:22s} {times[part]:6.2f} s")
        return result

    prepared = timed("prepare", lambda: prepare(name, task="brackets"))
    seen = timed("observe", lambda: observe(prepared.checkpoint.model, prepared.task, prepared.examples))
    subject = Subject(seen, 0)
    sections = [timed("accuracy", lambda: generic.accuracy(seen)), generic.decomposition(seen)]
    sections += [timed(part.__name__, lambda part=part: part(subject)) for part in PARTS]
    study = Study(
        "timed", "brackets", {"config": {}, "training": None, "inferred": []},
        {"count": len(prepared.examples), "source": prepared.source, "groups": {}}, 0, {}, tuple(sections),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        timed("page", lambda: write_folder(study, Path(folder)))
    print(f"{'all':22s} {sum(times.values()):6.2f} s")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "study.json").write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()
