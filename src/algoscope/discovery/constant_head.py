"""What is a head for whose output hardly depends on the input?

Such a head breaks the model when it is zeroed, but not when it always writes the same. So what matters is
the constant: where it is written, who reads it, and whether a learnt one does as well. One reader may stand
in for another, so who reads it is asked of routes singly and together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Add, Value
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import surprise
from algoscope.tasks.task import Examples

NAMES = {"q": "queries", "k": "keys", "v": "values"}
TOGETHER = NAMES | {"kv": "keys and values", "qkv": "queries, keys and values"}


@dataclass(frozen=True)
class Written:
    """What a head writes at each position: its mean, and how much of the whole that mean is."""

    mean: Float[Tensor, "seq d_model"]
    constant: Float[Tensor, "seq"]
    """Share of the mean squared output that the mean output makes up: 1 if it never changes."""


@dataclass(frozen=True, order=True)
class Route:
    """One way from a head's output to the answer: into a later head, or straight into the final norm.

    >>> str(Route(Head(1, 0), "k")), str(Route())
    ('keys of head 1.0', 'the final norm')
    """

    reader: Head | None = None
    """The head that reads it; None for the final norm, which reads it directly."""
    letter: str = ""
    """As its queries (q), keys (k) or values (v); empty for the final norm."""

    def __str__(self) -> str:
        return f"{NAMES[self.letter]} of head {self.reader}" if self.reader else "the final norm"


Ways = frozenset[Route]
"""Routes that are taken away, or kept, together."""


@dataclass(frozen=True)
class Carried:
    """What some routes carry, together."""

    name: str
    cut: float
    """How much the loss rises if the output is taken away on these routes, in nats."""
    kept: float
    """How much it rises if the output is taken away on every other route."""


def into(readers: Iterable[Head], letters: str) -> Ways:
    """The routes into these heads' queries, keys or values ("kv")."""
    return frozenset(Route(reader, letter) for reader in readers for letter in letters)


def joint_routes(config: Config, head: Head) -> dict[Ways, str]:
    """The routes from a head that are tested, with a name: each alone, and those that may stand in for each
    other, which no single route shows: of one reader, of one letter in a layer, of a layer, all."""
    layers = [
        tuple(Head(layer, index) for index in range(config.n_heads))
        for layer in range(head.layer + 1, config.n_layers)
    ]
    single = [frozenset({Route(reader, letter)}) for row in layers for reader in row for letter in NAMES]
    found = {ways: str(*ways) for ways in (*single, frozenset({Route()}))}
    groups: list[tuple[tuple[Head, ...], str]]
    groups = [((reader,), f"head {reader}") for row in layers for reader in row]
    groups += [(row, f"layer {row[0].layer}") for row in layers]
    for readers, name in groups:
        for letters, words in TOGETHER.items():
            # With one head a layer, the layer's routes are the head's, which have their name already.
            found.setdefault(into(readers, letters), f"{words} of {name}")
    found.setdefault(frozenset().union(*found), "every route")
    return found


def written(model: Transformer, examples: Examples, head: Head) -> Written:
    """The head's output over examples, position by position."""
    result = _result(model, examples, head)
    mean = result.mean(0)
    whole = reduce(result.pow(2), "batch seq d_model -> seq", "sum") / len(result)
    return Written(mean, mean.pow(2).sum(1) / whole.clamp_min(1e-12))


def carried(model: Transformer, examples: Examples, head: Head) -> dict[Ways, Carried]:
    """What each of the `joint_routes` carries.

    A route's reader sees the residual stream without the head's output, its norm included, while everything
    else sees it whole: path patching with zero. Routes through MLPs are left out. Which weights matters: the
    output of a head holds more in a processed model, whose value biases are in `b_O`, or less.
    """
    taken = Add(-_result(model, examples, head)[:, :, None])
    named = joint_routes(model.config, head)
    every = frozenset[Route]().union(*named)

    def cuts(ways: Ways) -> tuple[Intervention, ...]:
        return tuple(_cut(model.config, route, taken) for route in sorted(ways, key=str))

    tested = {ways for one in named for ways in (one, every - one) if ways}
    found = sweep(model, examples, [cuts(ways) for ways in tested], loss)
    rise = dict(zip(tested, (found.values - found.clean).tolist(), strict=True)) | {frozenset[Route](): 0.0}
    return {ways: Carried(name, rise[ways], rise[every - ways]) for ways, name in named.items()}


def _cut(config: Config, route: Route, taken: Add) -> Intervention:
    """The head's output taken away from what one reader reads."""
    if route.reader is None:
        return Intervention(f"blocks.{config.n_layers - 1}.hook_resid_post", Add(taken.value[:, :, 0]))
    site = f"blocks.{route.reader.layer}.hook_{route.letter}_input"
    return Intervention(site, taken, head=route.reader.index)


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
