"""All single edges of a bracket model, beside a loop of one fused forward pass each; and whole searches.

    python benchmarks/circuits.py

Then single edges, EAP and a search beside auto-circuit's, where `make .venv-bench-ac/.ready` has installed
it, and the cost of three methods on random models, against their heads and their layers.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from measure import Contender, Peer, race, report, timed
from plain import Plain
from safetensors.torch import save_file
from workload import HERE, RESULTS, bracket_workload

import algoscope
from algoscope.discovery.circuits.contrast import Contrast, resampled
from algoscope.discovery.circuits.exact import exact
from algoscope.discovery.circuits.find import contrasts, find
from algoscope.discovery.circuits.gradients import eap, eap_ig_inputs
from algoscope.discovery.circuits.graph import Graph
from algoscope.discovery.circuits.pruning import pruning
from algoscope.discovery.circuits.scores import Method, Scores
from algoscope.model.component import POSITION
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry
from algoscope.tasks.brackets import PAD, Brackets
from algoscope.tasks.task import Examples

PAIRS, ROUNDS = 100, 3
HEADS, LAYERS = (1, 2, 4, 8), (1, 2, 3, 4)
"""Sizes of random models: heads of one with two layers, layers of one with four heads."""
METHODS: dict[str, Method] = {"exact": exact, "EAP-IG (inputs)": eap_ig_inputs, "pruning": pruning}


def main() -> None:
    torch.set_num_threads(2)
    results = {"exact": edges(), "auto-circuit": autocircuit(), "searches": searches(), "cost": cost()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "circuits.json").write_text(json.dumps(results, indent=1) + "\n")


def edges() -> dict[str, object]:
    """Exact scores of all single edges, and as many forward passes."""
    model = bracket_workload().model
    examples, partners = Brackets().contrasts(PAIRS, 0)
    contrast = resampled(model, examples, partners)
    plain, count = Plain(model.config, model.state_dict()), len(contrast.graph.edges)

    def loop(batches: list[torch.Tensor]) -> Callable[[], None]:
        @torch.no_grad()
        def once() -> None:
            for _ in range(count):
                for batch in batches:
                    plain(batch)

        return once

    unpadded = [part.examples.tokens for part, _ in contrast.patched.many]
    contenders = [
        Contender("algoscope", timed(lambda: exact(contrast))),
        Contender("plain PyTorch loop", timed(loop([contrast.patched.examples.tokens]))),
        Contender("plain PyTorch loop, sorted by length", timed(loop(unpadded))),
    ]
    others = race(contenders, ROUNDS)
    title = f"{count} single edges, {PAIRS} pairs"
    return {"edges": count, **report(title, contenders, "algoscope", others)}


def autocircuit(pairs: int = PAIRS, rounds: int = ROUNDS) -> dict[str, object]:
    """Three methods next to auto-circuit's, which knows no padding: on pairs of the greatest length.

    ACDC runs at one threshold, pruning at all that matter: it ranks every edge.
    """
    python = HERE.parent / ".venv-bench-ac/bin/python"
    if not python.exists():
        return {}
    model = bracket_workload().model
    examples, partners = Brackets().contrasts(50 * pairs, 0)
    full = ((examples.tokens != PAD) & (partners.tokens != PAD)).all(1).nonzero()[:pairs, 0]
    contrast = resampled(model, examples[full], partners[full])
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    path = Path(tempfile.mkdtemp()) / "pairs.safetensors"
    save_file(pairs_of(contrast, partners[full]) | state, path)
    peer = Peer(python, HERE / "peer_autocircuit.py", path)
    found: dict[str, object] = {"version": peer.version, "pairs": len(full)}
    for name, method in (("exact", exact), ("eap", eap), ("acdc", pruning)):
        theirs = Contender(f"auto-circuit {peer.version}", peer.once(name))
        contenders = [Contender("algoscope", timed(partial(method, contrast))), theirs]
        others = race(contenders, rounds)
        found[name] = {**report(f"{name}, {len(full)} pairs", contenders, "algoscope", others)}
    found["difference"] = {
        name: difference(contrast.graph, method(contrast), peer.ask(f"{name} scores")["scores"])
        for name, method in (("exact", exact), ("eap", eap))
    }
    print("largest difference of scores, as a share of the largest score:", found["difference"])
    peer.close()
    return found


def pairs_of(contrast: Contrast, partners: Examples) -> dict[str, torch.Tensor]:
    """What auto-circuit needs to know of pairs, with the answer that is right and the partner's."""
    examples = contrast.patched.examples
    return {
        "clean": examples.tokens.contiguous(),
        "corrupt": partners.tokens.contiguous(),
        "answers": examples.labels.contiguous(),
        "wrong_answers": partners.labels.contiguous(),
    }


def difference(graph: Graph, ours: Scores, theirs: list[list[str | float]]) -> float:
    """How far two scores of one edge are apart at most, as a share of the largest score.

    Where a pair has the same positions, all that auto-circuit's first node carries is in the tokens.
    """
    named = {
        (str(edge.sender), str(edge.receiver), edge.input): number for edge, number in graph.index.items()
    }
    numbers = [named[sender, receiver, letter] for sender, receiver, letter, _ in theirs]
    assert len(set(numbers)) == len(named) - sum(edge.sender == POSITION for edge in graph.edges)
    values = torch.tensor([value for *_, value in theirs], dtype=ours.each.dtype)
    return float((ours.each[numbers] - values).abs().max() / ours.each.max())


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


def cost() -> dict[str, list[dict[str, float]]]:
    """Seconds of each method on random models of growing size."""
    sizes = {"heads": [(2, heads) for heads in HEADS], "layers": [(layers, 4) for layers in LAYERS]}
    return {against: list(costs(pairs)) for against, pairs in sizes.items()}


def costs(sizes: list[tuple[int, int]]) -> Iterator[dict[str, float]]:
    """For each number of layers and heads, the seconds of each method."""
    for layers, heads in sizes:
        contrast = drawn(layers, heads)
        found: dict[str, float] = {"layers": layers, "heads": heads, "edges": len(contrast.graph.edges)}
        for name, method in METHODS.items():
            start = time.perf_counter()
            method(contrast)
            found[name] = time.perf_counter() - start
        print(", ".join(f"{name} {value:.3g}" for name, value in found.items()))
        yield found


def drawn(layers: int, heads: int, inputs: int = 50, seq: int = 16) -> Contrast:
    """A random model on random inputs that are answered at their last place."""
    config = Config(
        n_layers=layers, d_model=64, n_heads=heads, d_head=16, n_ctx=seq, d_vocab=10, d_vocab_out=2,
        d_mlp=256, act_fn="relu", attention_dir="causal", normalization_type="LN",
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    answered = torch.zeros(inputs, seq, dtype=torch.bool)
    answered[:, -1] = True
    one, other = (
        Examples(
            torch.randint(0, 10, (inputs, seq), generator=generator),
            torch.full((inputs,), label),
            {},
            answered,
        )
        for label in (0, 1)
    )
    return resampled(Transformer(config, seed=0).requires_grad_(False), one, other)


if __name__ == "__main__":
    main()
