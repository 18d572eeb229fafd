"""Peak memory of each neuron's contribution along a direction, with and without the vectors it writes.

Each way runs in a process of its own, as a process's peak never falls. What it had before (libraries, model,
examples, one forward pass) is subtracted.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

EXAMPLES = 5000
PLACES = {"one position": 1, "all positions": None}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    if len(sys.argv) == 3:
        print(measured(*sys.argv[1:]))
        return
    results = {}
    for place in PLACES:
        peaks = {way: peak(way, place) for way in ("large tensor", "without it")}
        ratio = peaks["large tensor"] / peaks["without it"]
        results[place] = peaks | {"ratio": ratio}
        print(
            f"{place}, {EXAMPLES} examples: {peaks['large tensor']:.0f} MB with the large tensor, "
            f"{peaks['without it']:.0f} MB without: {ratio:.0f} times less"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "neurons_memory.json").write_text(json.dumps(results, indent=1) + "\n")


def peak(way: str, place: str) -> float:
    """Megabytes, in a new process; the larger of none and one, so that ratios stay finite."""
    command = [sys.executable, __file__, way, place]
    return max(1.0, float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def measured(way: str, place: str) -> float:
    import torch

    import algoscope
    from algoscope.analysis.attribution import Direction
    from algoscope.analysis.neurons import neuron_activations, neurons_along, output_by_neuron
    from algoscope.tasks.brackets import Brackets

    torch.set_num_threads(1)
    model, examples = algoscope.load("brackets"), Brackets().sample(EXAMPLES, seed=0)
    direction = Direction(torch.ones(model.config.d_model), "unbalanced", "before the final norm")
    neuron_activations(model, examples[:1000], 0, PLACES[place])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if way == "large tensor":
        output_by_neuron(model, examples, 0, PLACES[place]) @ direction.vector
    else:
        neurons_along(model, examples, 0, direction, PLACES[place])
    # Kilobytes on Linux, bytes on a Mac.
    unit = 1024 if sys.platform == "darwin" else 1
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit / 1024


if __name__ == "__main__":
    main()
