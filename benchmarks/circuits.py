"""All single edges of a bracket model, beside a loop of one fused forward pass each; and whole searches."""

from __future__ import annotations

import json
import time

import torch
from measure import Contender, race, report, timed
from plain import Plain
from workload import RESULTS, bracket_workload

import algoscope
from algoscope.discovery.circuits.contrast import resampled
from algoscope.discovery.circuits.exact import exact
from algoscope.discovery.circuits.find import contrasts, find
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets

PAIRS, ROUNDS = 100, 3


def main() -> None:
    torch.set_num_threads(2)
    model = bracket_workload().model
    examples, partners = Brackets().contrasts(PAIRS, 0)
    contrast = resampled(model, examples, partners)
    plain, count = Plain(model.config, model.state_dict()), len(contrast.graph.edges)

    @torch.no_grad()
    def loop() -> None:
        for _ in range(count):
            plain(contrast.patched.examples.tokens)

    contenders = [
        Contender("algoscope", timed(lambda: exact(contrast))),
        Contender("plain PyTorch loop", timed(loop)),
    ]
    others = race(contenders, ROUNDS)
    results: dict[str, object] = {"edges": count}
    results["exact"] = report(f"{count} single edges, {PAIRS} pairs", contenders, "algoscope", others)
    results["searches"] = searches()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "circuits.json").write_text(json.dumps(results, indent=1) + "\n")


def searches() -> dict[str, float]:
    """Seconds until the smallest circuit of each shipped model that keeps 0.95."""
    found = {}
    for name in registry.names():
        model, task = algoscope.load(name), registry.get(name)
        start = time.perf_counter()
        circuit = find(*contrasts(model, task, "resample", 50, 0), "resample", "pruning", 0.95)
        found[name] = time.perf_counter() - start
        print(
            f"{name}: {found[name]:.1f} s, {len(circuit.circuit.edges)} of {circuit.edges} edges, "
            f"{circuit.fresh.faithfulness:.3f} on other pairs"
        )
    return found


if __name__ == "__main__":
    main()
