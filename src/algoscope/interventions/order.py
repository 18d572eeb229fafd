"""Which edit of a run comes before which, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from algoscope.interventions.intervention import Intervention, Place
from algoscope.model.sites import OWN_INPUTS, Site


@dataclass(frozen=True, eq=False)
class Acting:
    """An intervention of a variant that changes something, and where."""

    one: Intervention
    place: Place
    live: bool
    """Whether it is carried along an edge whose sender may write something else than in the clean run."""


def acting(variant: Sequence[tuple[Intervention, Place]], time: Mapping[str, float]) -> tuple[Acting, ...]:
    """The interventions of a variant that change anything, given the `times` of the model's sites.

    What is frozen before anything has changed is as it was: leaving it out lets the run start later.
    """
    changes = [time[here.site.name] for one, here in variant if not one.source.freezes]
    first = min(changes, default=inf)
    kept = [pair for pair in variant if not pair[0].source.freezes or time[pair[1].site.name] > first]
    found = []
    for number, (one, here) in enumerate(kept):
        others = [time[there.site.name] for other, (_, there) in enumerate(kept) if other != number]
        sender = one.source.instead_of
        found.append(Acting(one, here, sender is not None and min(others, default=inf) <= time[sender.site]))
    return tuple(found)


def times(available: Mapping[str, Site]) -> dict[str, float]:
    """When a run meets each site; a head's own input, before the norm that it passes by itself."""
    time = {name: float(number) for number, name in enumerate(available)}
    for name, site in available.items():
        if site.kind in OWN_INPUTS:
            time[name] = time[f"blocks.{site.layer}.hook_resid_pre"] + 0.5
    return time
