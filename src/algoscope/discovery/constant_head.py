"""What is a head for whose output hardly depends on the input?

Such a head breaks the model when it is zeroed, but not when it always writes the same. So what matters is
the constant: where it is written, who reads it, and whether a learnt one does as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Add, Value
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import surprise
from algoscope.tasks.task import Examples

NAMES = {"q": "queries", "k": "keys", "v": "values"}


@dataclass(frozen=True)
class Written:
    """What a head writes at each position: its mean, and how much of the whole that mean is."""

    mean: Float[Tensor, "seq d_model"]
    constant: Float[Tensor, "seq"]
    """Share of the mean squared output that the mean output makes up: 1 if it never changes."""


@dataclass(frozen=True)
class Route:
    """One way from a head's output to the answer."""

    reader: Head | None
    """The head that reads it; None for the final norm, which reads it directly."""
    letter: str
    """As its queries (q), keys (k) or values (v); empty for the final norm."""
    cut: float
    """How much the loss rises if the output is taken away on this route alone, in nats."""
    kept: float
    """How much it rises if the output is taken away on every other route."""

    def __str__(self) -> str:
        return f"{NAMES[self.letter]} of head {self.reader}" if self.reader else "the final norm"


def written(model: Transformer, examples: Examples, head: Head) -> Written:
    """The head's output over examples, position by position."""
    result = _result(model, examples, head)
    mean = result.mean(0)
    whole = reduce(result.pow(2), "batch seq d_model -> seq", "sum") / len(result)
    return Written(mean, mean.pow(2).sum(1) / whole.clamp_min(1e-12))


def routes(model: Transformer, examples: Examples, head: Head) -> tuple[Route, ...]:
    """What each way to the answer carries, the most needed first.

    A way's reader sees the residual stream without the head's output, its norm included, while everything
    else sees it whole: path patching with zero. Ways through MLPs are left out.
    """
    taken = Add(-_result(model, examples, head)[:, :, None])
    layers = range(head.layer + 1, model.config.n_layers)
    readers = [
        (Head(layer, index), letter)
        for layer, index, letter in product(layers, range(model.config.n_heads), "qkv")
    ]
    cuts = [
        Intervention(f"blocks.{reader.layer}.hook_{letter}_input", taken, head=reader.index)
        for reader, letter in readers
    ]
    last = f"blocks.{model.config.n_layers - 1}.hook_resid_post"
    cuts.append(Intervention(last, Add(taken.value[:, :, 0])))
    others = [tuple(cut for cut in cuts if cut is not route) for route in cuts]
    found = sweep(model, examples, [*cuts, *(other or (cuts[0],) for other in others)], loss)
    rises = (found.values - found.clean).tolist()
    ways = zip([*readers, (None, "")], rises[: len(cuts)], rises[len(cuts) :], strict=True)
    made = (Route(reader, letter, cut, kept) for (reader, letter), cut, kept in ways)
    return tuple(sorted(made, key=lambda route: route.kept))


def learn_constant(
    model: Transformer, examples: Examples, head: Head, steps: int = 100, seed: int = 0
) -> Float[Tensor, "seq d_model"]:
    """The constant, position by position, that best stands in for the head's output.

    Starts at the mean output and follows the loss's gradient on `examples`; nothing else is changed.
    """
    site, generator = head.site("hook_result"), torch.Generator().manual_seed(seed)
    examples = examples.to(model.W_E.device)
    constant = written(model, examples, head).mean.clone().requires_grad_()
    optimizer = torch.optim.Adam([constant], lr=0.01)
    for _ in range(steps):
        rows = torch.randint(len(examples), (min(200, len(examples)),), generator=generator)
        batch = examples[rows]

        def put(result: Tensor, site: object) -> Tensor:
            head_axis = torch.arange(result.shape[2], device=result.device)[:, None] == head.index
            return torch.where(head_axis, constant.to(result)[:, None], result)

        logits = batch.at_answers(model.run_with_hooks(batch.tokens, [(site, put)], batch.position_ids))
        optimizer.zero_grad()
        surprise(logits, batch.labels).mean().backward()
        optimizer.step()
    return constant.detach()


def writing(head: Head, constant: Float[Tensor, "seq d_model"]) -> Intervention:
    """The head, made to write this constant whatever the input."""
    return Intervention(head.site("hook_result"), Value(constant[None, :, None]), head=head.index)


@torch.no_grad()
def _result(model: Transformer, examples: Examples, head: Head) -> Float[Tensor, "batch seq d_model"]:
    site = head.check(model.config).site("hook_result")
    examples = examples.to(model.W_E.device)
    _, cache = model.run_with_cache(examples.tokens, [site], position_ids=examples.position_ids)
    return cache[site][:, :, head.index]
