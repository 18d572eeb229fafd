"""How fast are concepts of nodes tested, beside the obvious loop of whole forward passes with a hook?

    python benchmarks/explain.py [NAME ...]

For each model that comes with algoscope: seconds of `explain` on 3,000 examples; concepts screened a second;
interventions a second (a node's output put in from another input that agrees on a concept), and the same
as whole runs of the model with a hook, on the same inputs. One thread. Results are printed, and written to
benchmarks/results/explain.json.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from algoscope import checkpoints
from algoscope.explanation.explain import Workshop, explain, workshop
from algoscope.explanation.places import Node
from algoscope.explanation.trial import Stage, stages
from algoscope.tasks import registry

RESULTS = Path(__file__).parent / "results" / "explain.json"
EXAMPLES = 3000
SECONDS = 3.0


def a_second(work: Callable[[], int]) -> float:
    """How much of it is done in a second; the first run is not counted."""
    work()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        done += work()
    return done / (time.perf_counter() - began)


def tested(shop: Workshop, stage: Stage, node: Node) -> int:
    """One intervention, from the stage at which the node puts out."""
    asked = shop.subject(node)
    asked.test(stage, asked.singles[0].factors)
    return 1


def looped(shop: Workshop, node: Node) -> int:
    """The same as a run of the whole model with a hook."""
    bench, asked = shop.bench, shop.subject(node)
    factors = asked.singles[0].factors
    codes = shop.codes(node, factors)
    other = asked.rows.others(codes, torch.Generator().manual_seed(0))[: asked.rows.tested]
    component, where = node.component, asked.rows.where[: len(bench)]
    values = shop.pool.value(component)[asked.rows.where][other]

    def put(value: torch.Tensor, _: object) -> torch.Tensor:
        value = value.clone()
        (value if component.head is None else value[:, :, component.index])[where] = values
        return value

    examples = bench.examples
    logits = bench.pool.model.run_with_hooks(
        examples.tokens, [(component.site, put)], position_ids=examples.position_ids
    )
    bench.change(examples.at_answers(logits))
    return 1


def screened(shop: Workshop, node: Node) -> int:
    """Every concept that the node can know."""
    asked = shop.subject(node)
    known = shop.lexicon.known(node.component)
    asked.candidates([((index,), shop.lexicon.at(index, asked.seen)) for index in known])
    return len(known)


def measure(name: str) -> dict[str, float]:
    checkpoint = checkpoints.read(name)
    assert checkpoint.task is not None
    task = registry.get(checkpoint.task)
    model = checkpoint.model.requires_grad_(False)
    examples = task.sample(EXAMPLES, 0)
    began = time.perf_counter()
    found = explain(model, task, examples)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        shop = workshop(model, task, examples, 0)
        node = next(each.node for each in found.nodes if each.factors)
        node = next(each for each in shop.rows if str(each) == str(node))
        stage = next(each for each in stages(shop.bench) if each.here(node.component))
        rates = {
            "tests a second": a_second(lambda: tested(shop, stage, node)),
            "tests a second, looped": a_second(lambda: looped(shop, node)),
            "screens a second": a_second(lambda: screened(shop, node)),
        }
    return {"explain, seconds": seconds, "nodes": len(found.nodes), **rates}


def main() -> None:
    torch.set_num_threads(1)
    names = sys.argv[1:] or list(registry.names())
    found = {}
    for name in names:
        found[name] = measure(name)
        print(name, {key: round(value, 1) for key, value in found[name].items()}, flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
