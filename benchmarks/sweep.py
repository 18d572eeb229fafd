"""hook_z of each head at each position from another example: one sweep next to loops over forward passes."""

from __future__ import annotations

import json
import platform
import resource
import time

import torch
from measure import Contender, race, report, timed
from plain import Plain
from workload import RESULTS, Workload, bracket_workload, peers, published_weights

from algoscope.interventions.families import heads, heads_by_position
from algoscope.interventions.sources import Resample
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples

ROUNDS = 7


def main() -> None:
    torch.set_num_threads(2)
    results: dict[str, object] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    workload = bracket_workload()
    workers = peers(workload)
    results |= {
        "weights": workload.weights,
        "peers": {name: worker.version for name, worker in workers.items()},
    }
    contenders = small(workload)
    contenders += [Contender(f"{name} loop", worker.once("sweep")) for name, worker in workers.items()]
    others = race(contenders, ROUNDS)
    title = "252 interventions, 3 layers, d_model 56, 50 x 42 tokens"
    results["small"] = report(title, contenders, "algoscope", others)
    results["arithmetic"] = arithmetic(workload.model.config, min(contenders[0].seconds))
    for worker in workers.values():
        worker.close()
    contenders = large()
    others = race(contenders, 2)
    title = "144 interventions, 12 layers, d_model 768, 4 x 32 tokens"
    results["large"] = report(title, contenders, "algoscope", others)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results["peak_memory_bytes"] = peak
    print(f"peak memory of this process, all of the above: {peak / 2**20:.0f} MiB")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sweep.json").write_text(json.dumps(results, indent=1) + "\n")


def small(workload: Workload) -> list[Contender]:
    """The bracket model. Weights too small for a normal float are zero for everyone, unless it is said."""
    model, tokens, source = workload.model, workload.sweep_tokens, workload.sweep_source
    examples = Brackets().examples(tokens)
    family = heads_by_position(model.config, Resample(pairing=source), range(tokens.shape[1]))
    plain = Plain(model.config, model.state_dict())
    published = Plain(model.config, published_weights() or model.state_dict())
    gap = (sweep(model, examples, family).values - loop(plain, model, tokens, source)).abs().max()
    assert gap < 1e-4, f"the contenders compute different things: {gap}"
    return [
        Contender("algoscope", timed(lambda: sweep(model, examples, family))),
        Contender("plain PyTorch loop", timed(lambda: loop(plain, model, tokens, source))),
        Contender(
            "plain PyTorch loop, weights as published", timed(lambda: loop(published, model, tokens, source))
        ),
    ]


@torch.no_grad()
def loop(plain: Plain, model: Transformer, tokens: torch.Tensor, source: tuple[int, ...]) -> torch.Tensor:
    """One fused forward pass for each intervention."""
    config = model.config
    sites = [f"blocks.{layer}.attn.hook_z" for layer in range(config.n_layers)]
    cache = model.run_with_cache(tokens[list(source)], sites)[1]
    return torch.stack(
        [
            plain(tokens, (layer, head, position, cache[site][:, position, head]))[:, 0]
            for layer, site in enumerate(sites)
            for head in range(config.n_heads)
            for position in range(tokens.shape[1])
        ]
    )


def large() -> list[Contender]:
    """The shape of a small language model with random weights: every head, all positions."""
    config = Config(
        n_layers=12, d_model=768, n_heads=12, d_head=64, d_mlp=3072, act_fn="gelu", n_ctx=32, d_vocab=100,
        d_vocab_out=100, attention_dir="causal",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    tokens = torch.randint(100, (4, 32), generator=torch.Generator().manual_seed(0))
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, -1] = True
    examples = Examples(tokens, tokens[:, -1], {}, answered)
    family = heads(config, Resample(pairing=(1, 2, 3, 0)))
    cache = model.run_with_cache(tokens[[1, 2, 3, 0]], [one.site for one in family])[1]

    def one_by_one() -> list[torch.Tensor]:
        found = []
        for one in family:

            def patch(value: torch.Tensor, _: object, one=one) -> None:
                value[:, :, one.head] = cache[one.site][:, :, one.head]

            found.append(model.run_with_hooks(tokens, [(one.site, patch)])[:, 31])
        return found

    gap = (sweep(model, examples, family).values - torch.stack(one_by_one())).abs().max()
    assert gap < 1e-3, f"the contenders compute different things: {gap}"
    return [
        Contender("algoscope", timed(lambda: sweep(model, examples, family))),
        Contender("algoscope, one forward pass each", timed(one_by_one)),
    ]


def arithmetic(config: Config, seconds: float) -> dict[str, float]:
    """How the sweep's time compares with what the arithmetic alone would take at the measured peak."""
    size = torch.randn(2048, 2048)
    peak = 2 * 2048**3 / min(_seconds(lambda: size @ size) for _ in range(5)) / 1e9
    counts = operations(config, batch=50, seq=42)
    print(f"matrix products here reach {peak:.0f} GFLOP/s")
    for name, count in counts.items():
        at_peak = count / peak
        took = f"{1e3 * at_peak:.1f} ms at that rate; the sweep took {seconds / at_peak:.1f}x"
        print(f"  {name:20s} {count:5.1f} GFLOP, {took}")
    print()
    return {"peak_gflops": peak, **{f"{name} (GFLOP)": count for name, count in counts.items()}}


def operations(config: Config, batch: int, seq: int) -> dict[str, float]:
    """GFLOP of the small benchmark: in full, with the clean prefix reused, and only what changed."""
    heads_width, layers = config.n_heads * config.d_head, config.n_layers
    mlp = 4 * config.d_model * (config.d_mlp or 0)
    rest = 2 * heads_width * config.d_model + mlp
    reads = 2 * config.d_model * heads_width
    attention = 4 * seq * heads_width
    per_layer = batch * seq * config.n_heads * seq
    full = layers * per_layer * layers * (3 * reads + attention + rest)
    prefix = changed = 0
    for layer in range(layers - 1):
        whole = layers - 2 - layer
        prefix += per_layer * (rest + whole * (3 * reads + attention + rest) + 2 * reads)
        changed += per_layer * whole * rest
    return {
        "every run in full": full / 1e9,
        "clean prefix reused": prefix / 1e9,
        "only what changed": changed / 1e9,
    }


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
