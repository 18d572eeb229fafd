"""What every peer's worker does: answer requests on standard input with the seconds that the work took."""

import json
import sys
import time

import torch
from safetensors.torch import load_file


def serve(version, load):
    """`load(state)` gives the model; requests are `forward N`, `cache N`, `train N` and `sweep`."""
    torch.set_num_threads(2)
    stored = load_file(sys.argv[1])
    tokens = stored.pop("tokens")
    swept, source = stored.pop("sweep_tokens"), stored.pop("sweep_source").long()
    model = load(stored)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    answer({"version": version})
    for line in sys.stdin:
        what, _, size = line.strip().partition(" ")
        some = tokens[: int(size or 1)]
        work, arguments = {
            "forward": (inference, (model, some)),
            "cache": (cached, (model, some)),
            "train": (step, (model, optimizer, some)),
            "sweep": (sweep, (model, swept, source)),
        }[what]
        start = time.perf_counter()
        work(*arguments)
        answer({"seconds": time.perf_counter() - start})


def answer(values):
    print(json.dumps(values), flush=True)


@torch.no_grad()
def inference(model, tokens):
    return model(tokens)


@torch.no_grad()
def cached(model, tokens):
    return model.run_with_cache(tokens)


def step(model, optimizer, tokens):
    labels = tokens[:, 1] - 3
    loss = torch.nn.functional.cross_entropy(model(tokens)[:, 0], labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def sweep(model, tokens, source):
    """hook_z of each head at each position from another example, one run after the other."""
    layers, heads = model.cfg.n_layers, model.cfg.n_heads
    sites = [f"blocks.{layer}.attn.hook_z" for layer in range(layers)]
    _, cache = model.run_with_cache(tokens[source], names_filter=sites)
    logits = []
    for site in sites:
        new = cache[site].view(len(tokens), -1, heads, model.cfg.d_head)
        for head in range(heads):
            for position in range(tokens.shape[1]):

                def patch(value, hook, head=head, position=position, new=new):
                    value = value.clone()
                    value.view(new.shape)[:, position, head] = new[:, position, head]
                    return value

                logits.append(model.run_with_hooks(tokens, fwd_hooks=[(site, patch)])[:, 0])
    return torch.stack(logits)
