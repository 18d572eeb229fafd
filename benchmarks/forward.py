"""A forward pass, reading every site, and a training step, next to plain PyTorch and the peers."""

from __future__ import annotations

import copy
import json
import platform

import torch
from measure import Contender, race, report, timed
from plain import Plain
from torch.nn import functional
from workload import RESULTS, Workload, bracket_workload, peers

ROUNDS = 40


def main() -> None:
    torch.set_num_threads(2)
    workload = bracket_workload()
    workers = peers(workload)
    results: dict[str, object] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "weights": workload.weights,
        "peers": {name: worker.version for name, worker in workers.items()},
    }
    for size in (172, 1000):
        for what, make in (("forward", forwards), ("cache", caches), ("train", steps)):
            contenders = make(workload, size)
            contenders += [Contender(name, worker.once(f"{what} {size}")) for name, worker in workers.items()]
            others = race(contenders, ROUNDS if size == 172 else ROUNDS // 2)
            title = f"{TITLES[what]}, {size} x 42 tokens"
            results[f"{what}_{size}"] = report(title, contenders, "plain PyTorch", others)
    for worker in workers.values():
        worker.close()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "forward.json").write_text(json.dumps(results, indent=1) + "\n")


TITLES = {
    "forward": "forward pass",
    "cache": "reading every site (plain PyTorch: forward only)",
    "train": "training step",
}


def forwards(workload: Workload, size: int) -> list[Contender]:
    tokens, plain = workload.tokens[:size], Plain(workload.model.config, workload.model.state_dict())
    with torch.no_grad():
        gap = (plain(tokens) - workload.model(tokens)).abs().max()
    assert gap < 1e-4, f"the yardstick computes something else: {gap}"
    return [
        Contender("plain PyTorch", timed(torch.no_grad()(lambda: plain(tokens)))),
        Contender("algoscope", timed(lambda: workload.model(tokens))),
    ]


def caches(workload: Workload, size: int) -> list[Contender]:
    tokens = workload.tokens[:size]
    plain = forwards(workload, size)[0]
    return [plain, Contender("algoscope", timed(lambda: workload.model.run_with_cache(tokens)))]


def steps(workload: Workload, size: int) -> list[Contender]:
    """Same weights, loss and optimizer; plain PyTorch trains tensors in the layout that it computes in."""
    tokens, labels = workload.tokens[:size], workload.tokens[:size, 1] - 3
    model = copy.deepcopy(workload.model).requires_grad_()
    plain = Plain(model.config, {name: value.detach().clone() for name, value in model.state_dict().items()})
    plain.weights = {
        name: value.detach().requires_grad_()
        for name, value in plain.weights.items()
        if not name.endswith(("W_Q", "W_K", "W_V", "b_Q", "b_K", "b_V"))
    }
    return [
        Contender("plain PyTorch", timed(_step(plain, list(plain.weights.values()), tokens, labels))),
        Contender("algoscope", timed(_step(model, list(model.parameters()), tokens, labels))),
    ]


def _step(model, parameters, tokens, labels):
    optimizer = torch.optim.AdamW(parameters, lr=0.0)

    def step() -> None:
        functional.cross_entropy(model(tokens)[:, 0], labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
