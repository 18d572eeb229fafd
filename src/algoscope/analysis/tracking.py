"""Which quantity does each neuron follow, and each head's output?

A unit follows a quantity as far as it is a function of it: the share of the unit's variance that is left
between the quantity's values, when the mean for each value is taken from other inputs (so that a quantity
with many values wins nothing by chance). Where it is a straight line, that is r²; it need not be one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.analysis.batching import Mask, batches
from algoscope.analysis.quantities import Codes
from algoscope.model.component import Component, heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

ROWS = 1500
"""Places of one kind that are looked at; more are thinned out evenly."""
STRETCHES = 6
"""Into how many stretches an input's answers are put, if it has more."""
AS_GOOD = 0.02
"""A quantity with fewer values is preferred to one that explains this much more of the variance."""


@dataclass(frozen=True, eq=False)
class Tracking:
    """How much of each unit's variance each quantity explains on inputs held out."""

    component: Component
    """The head that is the one unit, or the MLP whose neurons are the units."""
    place: str
    """Where in the inputs: "the answer", "answer 2", "elsewhere"."""
    quantities: tuple[str, ...]
    shares: Float[Tensor, "unit quantity"]
    """From 0 to 1; 0 for a unit that does not vary."""
    values: tuple[int, ...]
    """How many different values each quantity has there."""
    spread: Float[Tensor, "unit"]
    """The standard deviation of each unit; of a head's output, over all coordinates together."""

    def best(self, unit: int = 0) -> tuple[str, float]:
        """The quantity that explains most of the unit's variance, and the share.

        Of those that explain nearly as much, the one with the fewest values: a finer quantity explains
        whatever a coarser one does. The first of equals.
        """
        shares = self.shares[unit].tolist()
        if not shares:
            return "", 0.0
        good = [index for index, share in enumerate(shares) if share >= max(shares) - AS_GOOD]
        chosen = min(good, key=lambda index: self.values[index])
        return self.quantities[chosen], shares[chosen]


def places(examples: Examples, real: Mask, single: Sequence[int] = ()) -> dict[str, Mask]:
    """Where units are looked at: each answer by its number, from 0 (stretches of answers, where there are
    many), positions of your choice, and all others. `real` marks what is no padding.
    """
    most = int(examples.answered.sum(1).max())
    number, width = examples.answered.cumsum(1) - 1, -(-most // STRETCHES)
    found: dict[str, Mask] = {}
    for first in range(0, most, width):
        last = min(first + width, most) - 1
        name = "the answer" if most == 1 else f"answer {first}" if width == 1 else f"answers {first}-{last}"
        found[name] = examples.answered & (number >= first) & (number <= last)
    left = real & ~examples.answered
    for position in single:
        found[f"position {position}"] = left & (torch.arange(left.shape[1]) == position)
        left = left & ~found[f"position {position}"]
    return {place: mask for place, mask in (found | {"elsewhere": left}).items() if mask.any()}


def not_padding(model: Transformer, examples: Examples) -> Mask:
    """Marks every place but padding."""
    pad = model.config.pad_token
    return torch.ones_like(examples.answered) if pad is None else examples.tokens != pad


@torch.no_grad()
def track(
    model: Transformer, examples: Examples, codes: Mapping[str, Codes], kinds: Mapping[str, Mask]
) -> tuple[Tracking, ...]:
    """Every neuron, and every head's output, at every kind of place, in the order of the model.

    Every second input is held out. Give some hundreds of examples.
    """
    kinds = {place: _thinned(mask) for place, mask in kinds.items()}
    marked = torch.stack(list(kinds.values())).any(0)
    held = (torch.arange(len(examples)) % 2 == 1)[:, None].expand(marked.shape)[marked]
    there = {name: code[marked] for name, code in codes.items()}
    found = []
    for component, values in _units(model, examples, marked):
        for place, mask in kinds.items():
            rows = mask[marked]
            picked = {name: code[rows] for name, code in there.items()}
            found.append(tracking(component, place, values[rows], picked, held[rows]))
    return tuple(found)


def tracking(
    component: Component,
    place: str,
    values: Float[Tensor, "row unit coordinate"],
    codes: Mapping[str, Int[Tensor, "row"]],
    held: Bool[Tensor, "row"],
) -> Tracking:
    """How much of each unit the codes explain on the rows held out; codes that don't vary are left out."""
    values = values.double()
    varying = {name: code for name, code in codes.items() if len(code) and bool((code != code[0]).any())}
    counts = tuple(len(code.unique()) for code in varying.values())
    shares = [explained(values, code, held) for code in varying.values()]
    table = torch.stack(shares, 1) if shares else torch.zeros(values.shape[1], 0, dtype=torch.double)
    spread = values.var(0, correction=0).sum(-1).sqrt() if len(values) else torch.zeros(values.shape[1])
    return Tracking(component, place, tuple(varying), table, counts, spread)


def explained(
    values: Float[Tensor, "row unit coordinate"], codes: Int[Tensor, "row"], held: Bool[Tensor, "row"]
) -> Float[Tensor, "unit"]:
    """The share of each unit's variance over the rows held out that the means of the other rows explain.

    A value of the code that only held-out rows have is met by the mean of all others. Never below 0.
    """
    known, asked = values[~held], values[held]
    if not len(known) or not len(asked):
        return torch.zeros(values.shape[1], dtype=values.dtype)
    size = int(codes.max()) + 1
    count = codes[~held].bincount(minlength=size)[:, None, None]
    sums = torch.zeros(size, *values.shape[1:], dtype=values.dtype).index_add_(0, codes[~held], known)
    means = torch.where(count > 0, sums / count.clamp(min=1), known.mean(0))
    missed = (asked - means[codes[held]]).pow(2).sum((0, 2))
    total = (asked - asked.mean(0)).pow(2).sum((0, 2))
    # What varies by no more than rounding does not vary.
    varies = total > 1e-12 * asked.pow(2).sum((0, 2))
    return torch.where(varies, 1 - missed / total.clamp(min=1e-300), 0.0).clamp(min=0)


def _units(
    model: Transformer, examples: Examples, at: Mask
) -> Iterator[tuple[Component, Float[Tensor, "row unit coordinate"]]]:
    """Each head as one unit with its output's coordinates, each MLP with its neurons."""
    components = heads_and_mlps(model.config)
    sites = {part: _site(part) for part in components}
    found: dict[str, Tensor] = {}
    for batch in batches(model, examples, at):
        _, cache = model.run_with_cache(
            batch.tokens, list(set(sites.values())), position_ids=batch.position_ids
        )
        for site in set(sites.values()):
            part = cache[site][batch.at].cpu()
            found.setdefault(site, part.new_empty(int(at.sum()), *part.shape[1:]))[batch.rows] = part
    for component, site in sites.items():
        if component.head is None:
            yield component, found[site][..., None]
        else:
            W_O = model.W_O[component.layer, component.index].detach().cpu()
            yield component, (found[site][:, component.index] @ W_O)[:, None]


def _site(component: Component) -> str:
    return f"blocks.{component.layer}.mlp.hook_post" if component.head is None else component.site


def _thinned(mask: Mask) -> Mask:
    """At most ROWS of the marked places, evenly from first to last."""
    marked = mask.flatten().nonzero()[:, 0]
    if len(marked) <= ROWS:
        return mask
    kept = marked[torch.linspace(0, len(marked) - 1, ROWS).long()]
    return torch.zeros_like(mask).flatten().index_fill_(0, kept, True).view_as(mask)
