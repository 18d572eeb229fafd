"""Which of its inputs does a head need, and at which positions is a part needed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algoscope.discovery.effects import Effect, effects
from algoscope.interventions.families import on
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Mean, Resample, Source
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

MEAN = Mean(per="position")
ROUTES = ("q", "k", "v", "qk", "kv")
"""What a head takes in, alone and together: its queries, its keys, its values."""

Routes = Mapping[str, Effect]


@dataclass(frozen=True, eq=False)
class InputNeeds:
    """What it costs a model to take a head's inputs from it, by head and route."""

    mean: Mapping[Head, Routes]
    resample: Mapping[Head, Routes]


@dataclass(frozen=True, eq=False)
class Places:
    """At which positions a part is needed."""

    single: tuple[Effect, ...]
    """Its output is its mean at one position, for each."""
    others: Effect
    """Its output is its mean everywhere but at `best`."""

    @property
    def best(self) -> int:
        """The position at which it is needed most."""
        return most(self.single)

    @property
    def needed(self) -> tuple[int, ...]:
        """The positions at any one of which the model can't spare it."""
        return tuple(position for position, effect in enumerate(self.single) if effect.needed)


def most(single: Sequence[Effect]) -> int:
    """Where the loss rises most."""
    return max(range(len(single)), key=lambda position: single[position].rise.mean)


def input_needs(model: Transformer, examples: Examples, heads: Sequence[Head], seed: int = 0) -> InputNeeds:
    """The effect of replacing each head's queries, keys and values, at every position, alone and together."""
    sources = (MEAN, Resample(seed=seed))
    changes = [cut(head, route, source) for source in sources for head in heads for route in ROUTES]
    found = iter(effects(model, examples, changes))
    mean, resample = ({head: {route: next(found) for route in ROUTES} for head in heads} for _ in sources)
    return InputNeeds(mean, resample)


def cut(head: Head, route: str, source: Source) -> tuple[Intervention, ...]:
    """What replaces these inputs of a head: each letter of the route, `q`, `k` or `v`."""
    return tuple(Intervention(head.site(f"hook_{letter}"), source, head=head.index) for letter in route)


def places(model: Transformer, examples: Examples, parts: Sequence[Component]) -> Mapping[Component, Places]:
    """At which positions each part is needed: counted from the left, as they are in the input."""
    seq = examples.tokens.shape[1]
    if not parts or seq == 1:
        # With a single position there is nothing to tell apart.
        return {}
    found = iter(effects(model, examples, [on(part, MEAN, at) for part in parts for at in range(seq)]))
    single = {part: tuple(next(found) for _ in range(seq)) for part in parts}
    best = {part: most(of) for part, of in single.items()}
    elsewhere = [
        on(part, MEAN, tuple(position for position in range(seq) if position != best[part])) for part in parts
    ]
    others = effects(model, examples, elsewhere)
    return {part: Places(single[part], other) for part, other in zip(parts, others, strict=True)}
