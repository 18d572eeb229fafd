"""How few edges do the task alone, and is that the only way?"""

from __future__ import annotations

from dataclasses import replace

from algoscope.discovery.circuits.find import Found, contrasts, find
from algoscope.discovery.circuits.graph import Graph
from algoscope.discovery.circuits.stability import STABLE
from algoscope.errors import UserError
from algoscope.figures.circuit import NUMBERED, circuit_drawing
from algoscope.model.component import INPUTS
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

PAIRS, RUNS = 40, 8000
"""Pairs that are searched on; fewer where so many runs over edges and pairs would not do."""
FAITHFUL = 0.95
METHOD = "eap-ig-inputs"
"""The fastest of the methods that find compiled programs; `algoscope circuit` takes the most exact one."""

SHARE = Claim(
    "edges-alone-share",
    "A minority of the edges does the task alone.",
    "share of all edges",
    at_most(0.5),
)
FRESH = Claim(
    "edges-alone-faithfulness",
    "The smallest circuit found does the task alone on pairs that it was not searched on.",
    "distance of its faithfulness from 1, that of the whole model",
    at_most(0.1),
)
REST = Claim(
    "edges-alone-rest",
    "Without it the other edges can do nothing of the work.",
    "faithfulness of all other edges together",
    at_most(0.05),
)
UNIQUE = Claim(
    "edges-alone-unique",
    "No circuit is as faithful with mostly other edges.",
    "share of shared edges, of all that either has, with the most different one found",
    at_least(0.5),
)
STEADY = Claim(
    "edges-alone-stability",
    "Other examples would lead to the same circuit.",
    "mean overlap of the best edges of two bootstrap samples",
    at_least(STABLE),
)
CLAIMS = (SHARE, FRESH, REST, UNIQUE, STEADY)
TEXT = (
    "An edge leads from what writes into the stream to an input of what reads it later: a head's queries, "
    "keys or values, an MLP, the answer. A cut edge carries what its sender writes for the other input of a "
    "pair, which is answered differently. Faithfulness is how much of the difference between the two answers "
    "is left: 1 with every edge kept, 0 with every edge cut. Edges are scored by integrated gradients "
    f"(EAP-IG); the smallest set of the best ones that is within {1 - FAITHFUL:.2g} of the whole model is "
    "taken, and from it every edge left out that can be. The rival is found by leaving out this circuit's "
    "edges first."
)


def edges_alone(seen: Seen) -> Section:
    """How few edges do the task alone, and is that the only way?"""
    section = Section("edges-alone", "How few edges do the task alone, and is that the only way?", TEXT)
    try:
        found = _found(seen)
    except UserError as error:
        return replace(section, findings=all_missing(CLAIMS, str(error)))
    drawn = (_drawn(found),)
    return replace(section, findings=_findings(found), tables=(_table(found),), overview=drawn)


def _found(seen: Seen) -> Found:
    pairs = max(8, min(PAIRS, RUNS // len(Graph(seen.model.config).edges)))
    searched, fresh = contrasts(seen.model, seen.task, "resample", pairs, seen.seed)
    return find(searched, fresh, "resample", METHOD, FAITHFUL)


def _findings(found: Found) -> tuple[Finding, ...]:
    size, rival = len(found.circuit.edges), found.rival
    return (
        SHARE.measured(size / found.edges, f"{size} of {found.edges} edges"),
        FRESH.measured(
            abs(found.fresh.faithfulness - 1),
            f"faithfulness {found.fresh.faithfulness:.3f} on {found.inputs} other pairs; there it answers "
            f"{found.fresh.accuracy:.1%} right",
        ),
        REST.measured(found.fresh.rest, f"{found.edges - size} edges, faithfulness {found.fresh.rest:.3f}"),
        UNIQUE.measured(
            found.overlap,
            f"a circuit of {len(rival.edges)} edges, faithfulness {rival.faithfulness:.3f}, shares "
            f"{found.overlap:.2f} of all edges that either has",
        ),
        STEADY.measured(found.stability, f"over 100 samples of the {found.inputs} pairs"),
    )


def _drawn(found: Found) -> Illustration:
    drawing = circuit_drawing(found.worth, found.parts)
    return Illustration(
        drawing,
        f"What does the task: the smallest circuit found, all of its {len(found.circuit.edges)} edges, of "
        f"{found.edges} that the model has. A head reads through its queries (q), keys (k) and values (v). "
        "An edge is as wide as its worth, the share of faithfulness lost without it; from "
        f"{NUMBERED:.0%} on it is written beside it where there is room, and the table has all of them.",
    )


def _table(found: Found) -> Table:
    worth = sorted(found.worth.items(), key=lambda each: -each[1])
    return Table(
        ("from", "to", "through its", "faithfulness lost without it"),
        tuple((str(edge.sender), str(edge.receiver), INPUTS[edge.input], lost) for edge, lost in worth),
        "The edges of the smallest circuit found, the most missed first.",
    )
