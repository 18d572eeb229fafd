"""Which inputs does each needed head need, and at which positions is each needed part needed?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from algoscope.discovery.effects import drawn
from algoscope.discovery.inputs import ROUTES, InputNeeds, Places, Routes, input_needs, places
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.questions.bound import at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

RISE = "rise of the loss, in even guesses"
NAMES = {
    "q": "queries",
    "k": "keys",
    "v": "values",
    "qk": "queries and keys",
    "kv": "keys and values",
}

PATTERN = Claim(
    "pattern-needed",
    "Where each needed head looks depends on the input, and has to: it needs its queries and keys.",
    "needed heads that can do without both",
    at_most(0),
)
VALUES = Claim(
    "values-needed",
    "What each needed head moves depends on the input, and has to: it needs its values.",
    "needed heads that can do without",
    at_most(0),
)
JOINT = Claim(
    "inputs-jointly",
    "Inputs that a needed head can spare one at a time it can spare together.",
    "needed heads that can't",
    at_most(0),
)
ONE_PLACE = Claim(
    "needed-at-one-position",
    "Each needed head and MLP is needed at one position only: everywhere else its mean does.",
    "needed parts that are needed elsewhere too",
    at_most(0),
)
EXAMPLES = 150
PLACED = 60
"""Inputs for positions, of which there are many."""


def inputs(seen: Seen) -> Section:
    """Which inputs and positions are needed?"""
    found, parts = seen.needs, tuple(sorted(seen.needs.needed))
    heads = [part.head for part in parts if part.head is not None]
    some, fewer = (drawn(found.examples, count, seen.seed) for count in (EXAMPLES, PLACED))
    text = (
        f"On {len(some)} inputs the queries, keys and values of each needed head are replaced at every "
        "position, alone and together, by their means, position by position, or by those of another input; "
        "what "
        "is needed is judged by means, as for whole parts. Queries and keys together decide where a head "
        "looks, "
        "values what it moves. Two routes may say the same: then neither costs anything alone. And on "
        f"{len(fewer)} inputs the output of each needed head and MLP is replaced by its mean at one position "
        "at a time, then at all but the one where that costs most. Positions are counted from the left of "
        "the input, also where answers stand at places that differ."
    )
    section = Section("inputs", "Which inputs and which positions are needed?", text)
    if not parts:
        reason = "no head or MLP is needed alone"
        return replace(section, findings=all_missing((PATTERN, VALUES, JOINT, ONE_PLACE), reason))
    routes = input_needs(seen.model, some, heads, seen.seed) if heads else None
    placed = places(seen.model, fewer, parts)
    return replace(
        section,
        findings=(*_routes(routes), _one_place(placed)),
        illustrations=(*_route_grid(routes), *_place_grid(placed)),
        tables=_table(placed),
    )


def _routes(found: InputNeeds | None) -> tuple[Finding, ...]:
    if found is None:
        return all_missing((PATTERN, VALUES, JOINT), "no head is needed alone")
    without = {
        route: [head for head, routes in found.mean.items() if routes[route].unneeded]
        for route in ("qk", "v")
    }
    hidden = {head: hides(routes) for head, routes in found.mean.items()}
    told = [
        f"{head}: {NAMES[route]} cost {found.mean[head][route].rise.mean:.2g} together"
        for head, route in hidden.items()
        if route
    ]
    return (
        PATTERN.measured(len(without["qk"]), _named(without["qk"])),
        VALUES.measured(len(without["v"]), _named(without["v"])),
        JOINT.measured(len(told), "; ".join(told)),
    )


def hides(routes: Routes) -> str:
    """The first route of several inputs that is needed, though each of them can be spared; empty if none."""
    for route in ROUTES:
        if len(route) > 1 and routes[route].needed and all(routes[letter].unneeded for letter in route):
            return route
    return ""


def _one_place(found: Mapping[Component, Places]) -> Finding:
    if not found:
        return ONE_PLACE.missing("inputs have a single position")
    more = [part for part, of in found.items() if of.others.needed]
    open_ = [str(part) for part, of in found.items() if not (of.others.needed or of.others.unneeded)]
    if open_ and not more:
        return ONE_PLACE.missing(f"undecided on so few inputs: {', '.join(open_)}")
    told = [
        f"{part} at position {of.best}" if of.others.unneeded
        else f"{part} costs {of.others.rise.mean:.2g} elsewhere than at position {of.best}"
        for part, of in found.items()
    ]  # fmt: skip
    return ONE_PLACE.measured(
        len(more), "; ".join(told), f"Undecided on so few inputs: {', '.join(open_)}." if open_ else ""
    )


def _named(heads: list[Head]) -> str:
    return ", ".join(f"head {head}" for head in heads)


def _route_grid(found: InputNeeds | None) -> tuple[Illustration, ...]:
    if found is None:
        return ()
    heads = list(found.mean)
    panels = {
        name: np.array([[of[head][route].rise.mean for route in ROUTES] for head in heads])
        for name, of in (("mean", found.mean), ("another input", found.resample))
    }
    names = [NAMES[route] for route in ROUTES]
    figure = heatmaps(panels, _labels(heads), names, ("head", "replaced"), RISE, middle=0)
    return (Illustration(figure, "What it costs to replace what each needed head takes in."),)


def _place_grid(found: Mapping[Component, Places]) -> tuple[Illustration, ...]:
    if not found:
        return ()
    panel = np.array([[effect.rise.mean for effect in of.single] for of in found.values()])
    columns = [str(position) for position in range(panel.shape[1])]
    figure = heatmaps({"": panel}, _labels(found), columns, ("head or MLP", "position"), RISE, middle=0)
    return (Illustration(figure, "What it costs to put a part's mean in its place at one position."),)


def _table(found: Mapping[Component, Places]) -> tuple[Table, ...]:
    if not found:
        return ()
    rows = tuple(
        (
            str(part), ", ".join(map(str, of.needed)), of.best, str(of.single[of.best].rise),
            str(of.others.rise),
        )
        for part, of in found.items()
    )  # fmt: skip
    columns = ("part", "needed at", "most at", "there", "everywhere else")
    return (Table(columns, rows, f"Where each needed part is needed: the {RISE}, with 95 % intervals."),)


def _labels(things: Iterable[Head | Component]) -> list[str]:
    return [str(thing) for thing in things]
