"""Can what is spared one at a time be spared together?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from algoscope.discovery.effects import LIMIT, drawn
from algoscope.discovery.jointly import pair_rises
from algoscope.discovery.needs import MEAN, Needs
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.component import Component
from algoscope.questions.bound import at_most
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

TOGETHER = Claim(
    "unneeded-together",
    "The heads and MLPs that can be spared one at a time can be spared together.",
    "rise of the loss, in even guesses",
    at_most(LIMIT),
)
PAIRS = Claim(
    "pairs-add-up",
    "No two parts stand in for each other: both together cost little more than each alone, added up.",
    "largest surplus, in even guesses",
    at_most(0.25),
)
EXAMPLES = 150
"""For pairs: what stands out is large, and there are many."""
MOST = 12
"""Parts that are paired: 66 pairs."""


def jointly(seen: Seen) -> Section:
    """Can what is spared one at a time be spared together?"""
    found = seen.needs
    parts = most_needed(found)
    some = drawn(found.examples, EXAMPLES, seen.seed)
    surplus = pair_rises(seen.model, some, parts, MEAN)
    chosen = "" if len(parts) == len(found.mean) else f", of the {MOST} parts that cost most,"
    text = (
        "A part may cost nothing because another one says the same. So all that is unneeded alone is "
        "replaced by its mean at once. If that costs too much, parts are given back, the least missed first, until no "
        "more can be: those that are left stand in for one another. This is repeated with the others until "
        f"they can be spared. And every two parts{chosen} are replaced together on {len(some)} inputs: the "
        "surplus is what this costs beyond both alone, in even guesses; it is below zero where both are "
        "links of one chain, since the answer is lost with the first."
    )
    return Section(
        "jointly",
        "Can what is spared one at a time be spared together?",
        text,
        (_together(found), _pairs(surplus)),
        _grid(parts, surplus),
        (_table(found),) if found.backups else (),
    )


def most_needed(found: Needs) -> tuple[Component, ...]:
    """Up to MOST parts that cost most, in the order of the computation."""
    order = sorted(found.mean, key=lambda part: -found.mean[part].rise.mean)
    return tuple(sorted(order[:MOST]))


def _together(found: Needs) -> Finding:
    if found.unneeded_together is None or len(found.unneeded) < 2:
        return TOGETHER.missing("fewer than two heads and MLPs are unneeded alone")
    effect = found.unneeded_together
    named = ", ".join(map(str, found.unneeded))
    groups = "; ".join(" and ".join(map(str, group.parts)) for group in found.backups)
    said = f"without {named} the loss rises by {effect.rise}, and {effect.right.mean:.1%} are right"
    if groups:
        said += f". Not together: {groups}"
    return TOGETHER.measured(effect.rise.mean, said)


def _pairs(surplus: Mapping[tuple[Component, Component], float]) -> Finding:
    if not surplus:
        return PAIRS.missing("there is a single head or MLP")
    one, other = max(surplus, key=lambda pair: surplus[pair])
    return PAIRS.measured(surplus[one, other], f"the largest is of {one} and {other}")


def _grid(
    parts: tuple[Component, ...], surplus: Mapping[tuple[Component, Component], float]
) -> tuple[Illustration, ...]:
    if not surplus:
        return ()
    place = {part: index for index, part in enumerate(parts)}
    panel = np.full((len(parts), len(parts)), np.nan)
    for (one, other), value in surplus.items():
        panel[place[one], place[other]] = panel[place[other], place[one]] = value
    names = list(map(str, parts))
    figure = heatmaps(
        {"": panel}, names, names, ("head or MLP", "with"), "surplus, in even guesses", middle=0
    )
    caption = (
        "What two parts cost together beyond what each costs alone: above zero, each stands in for the other."
    )
    return (Illustration(figure, caption),)


def _table(found: Needs) -> Table:
    rows = []
    for group in found.backups:
        alone = sum(found.mean[part].rise.mean for part in group.parts)
        rows.append(
            (", ".join(map(str, group.parts)), alone, str(group.effect.rise), group.effect.right.mean)
        )
    return Table(
        ("parts", "each alone, added up", "together", "right without them"),
        tuple(rows),
        "Sets that can't be spared, though each of their parts can: the rise of the loss, in even guesses.",
    )
