"""Which heads and MLPs does the model need, alone and together?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from algoscope.analysis.components import decompose
from algoscope.discovery.effects import Effect, drawn, effects
from algoscope.discovery.jointly import Backups, backups, together
from algoscope.interventions.families import components
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Add, Mean, Resample, Zero
from algoscope.model.component import Component, heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

EXAMPLES = 300
"""That parts are ablated on. More would narrow the intervals, and move few verdicts."""

MEAN = Mean(per="position")

Effects = Mapping[Component, Effect]


@dataclass(frozen=True, eq=False)
class Needs:
    """What it costs to take each head and MLP from a model.

    Needed is what the model can't do without: its output's mean is put in its place, position by position, so
    that what it says of this input is lost. Another example's output (`resample`) also puts in something
    false. A part that can be spared but not resampled is heard, though others say the same.
    """

    examples: Examples
    """Those it was measured on."""
    zero: Effects
    mean: Effects
    resample: Effects
    direct: Effects
    """As `mean`, but only the answer reads what changed: later parts go on reading what was there."""
    unneeded_together: Effect | None
    """Of putting means at once in the place of all that can be spared alone; None if that is nothing."""
    backups: tuple[Backups, ...]
    """Sets of parts that can be spared one at a time, and not together."""

    @property
    def needed(self) -> tuple[Component, ...]:
        """The parts that the model can't spare, the most needed first."""
        found = [part for part, effect in self.mean.items() if effect.needed]
        return tuple(sorted(found, key=lambda part: -self.mean[part].rise.mean))

    @property
    def unneeded(self) -> tuple[Component, ...]:
        """The parts that can be spared one at a time, in the order of the computation."""
        return tuple(part for part, effect in self.mean.items() if effect.unneeded)

    @property
    def used(self) -> tuple[Component, ...]:
        """The needed parts, then those that stand in for one another and can't be spared together."""
        return self.needed + tuple(part for group in self.backups for part in group.parts)


def needs(model: Transformer, examples: Examples, seed: int = 0) -> Needs:
    """What each head and MLP is needed for, on up to EXAMPLES of the examples, drawn with `seed`.

    Every change keeps positions as they are. Where inputs differ in length, or in where they are answered,
    means and other examples mix places up, so a part that carries no more than the place counts as needed.
    """
    some = drawn(examples, EXAMPLES, seed)
    parts = heads_and_mlps(model.config)
    sources = (Zero(), MEAN, Resample(seed=seed))
    changes = [change for source in sources for change in components(model.config, source)]
    found = effects(model, some, [*changes, *_towards_the_answer(model, some)])
    zero, mean, resample, direct = (
        dict(zip(parts, found[kind * len(parts) :], strict=False)) for kind in range(4)
    )
    unneeded = tuple(part for part in parts if mean[part].unneeded)
    joint = together(model, some, unneeded, MEAN)
    return Needs(some, zero, mean, resample, direct, joint, backups(model, some, unneeded, MEAN))


@torch.no_grad()
def _towards_the_answer(model: Transformer, examples: Examples) -> list[Intervention]:
    """For each part, what puts its mean in the place of its output where the answer reads it, only there."""
    places = examples.answer_positions
    grid = torch.zeros_like(examples.answered)
    grid[:, places] = True
    taken = decompose(model, examples, grid)
    values = taken.values.unflatten(1, (len(examples), len(places)))
    moved = values.double().mean(1, keepdim=True) - values
    site, where = f"blocks.{model.config.n_layers - 1}.hook_resid_post", tuple(places.tolist())
    return [
        Intervention(site, Add(moved[taken.parts.index(part)]), position=where)
        for part in heads_and_mlps(model.config)
    ]
