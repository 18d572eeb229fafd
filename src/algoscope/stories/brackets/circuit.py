"""Does the circuit do what the text says, alone, and is it all of it?"""

from __future__ import annotations

from collections.abc import Sequence

from algoscope.analysis.components import component_names
from algoscope.discovery.edges import ANSWER, Edge, Edges, edges
from algoscope.discovery.faithfulness import Part, faithfulness
from algoscope.figures.circuit import circuit_diagram
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.questions.tested import Claim
from algoscope.stories.brackets.pairs import with_balanced
from algoscope.stories.brackets.subject import NO_ELEVATION, NO_TALLY, Subject

EXAMPLES = 1000
"""For ablations: a share of 0.95 is then known to about one per cent."""
PAIRS = 96
STRONG = 0.1
"""Of the gap: ten such edges in parallel could carry all of it."""
DRAWN = 14
"""Edges in the diagram: more would hide one another."""

ALONE = Claim(
    "circuit-only-accuracy",
    "The heads and MLPs that the study names do the task alone, all others mean-ablated.",
    "share of answers",
    "at least 0.95",
)
LOSS = Claim(
    "circuit-only-loss",
    "They do so with little loss.",
    "nats",
    "at most 0.1 more than the whole model",
)
WITHOUT = Claim(
    "circuit-ablated-accuracy",
    "Without them the model does no better than always giving the more common answer.",
    "share of answers",
    "at most 0.05 above the share of the more common answer",
)
ELEVATION = Claim(
    "elevation-circuit-accuracy",
    "The tally head, the MLPs and the elevation head tell balanced strings from those that only fail by "
    "total "
    "elevation, all else mean-ablated.",
    "share of answers",
    "at least 0.95",
    "The three important parts of our circuit (head 0.0, the MLP layers, and head 2.0)",
)
STRICT = Claim(
    "elevation-circuit-accuracy-strict",
    "They do so through the one position that the elevation head reads, each mean-ablated elsewhere.",
    "share of answers",
    "at least 0.95",
    "it's pretty much just moving the residual stream vector from position 1 to position 0",
)
PATH = Claim(
    "elevation-path-edges",
    "Tally head to MLPs, MLPs to elevation head, elevation head to answer: each step carries the decision.",
    "share of the gap, weakest of the steps",
    f"at least {STRONG:g}",
    "the thick black lines and orange dotted lines show the paths … constituting the elevation circuit",
)
COMPLETE = Claim(
    "elevation-circuit-complete",
    "No component outside that path carries as much as a tenth of the decision to where it goes next.",
    "share of the gap, strongest edge out of a component that is not on the path",
    f"below {STRONG:g}",
    "Our first-pass understanding of this behavior is complete",
)
CLAIMS = (ALONE, LOSS, WITHOUT, ELEVATION, STRICT, PATH, COMPLETE)
TEXT_ABOVE = (
    "A circuit that is claimed can be left alone: every other head and MLP then writes its mean over the "
    "examples, position by position, and what the model still answers is the circuit's work. It can "
    "also be taken "
    "out. Edges are measured one by one: an unbalanced string that only fails by total elevation is "
    "paired with "
    "a balanced one of the same length, and a receiver of the balanced run gets one sender's output from the "
    "unbalanced run. What then moves the answer went along this edge. Edges don’t add up to the gap, as "
    "one path "
    "has many."
)


def circuit(subject: Subject) -> Section:
    """Does the circuit do what the text says, alone, and is it all of it?"""
    measured = fault_edges(subject, "only total elevation")
    findings = (*_whole(subject, measured), *_elevation(subject), *_paths(subject, measured))
    overview = (
        (diagram(subject, measured, "total elevation failure"),)
        if measured is not None and measured.gap > 0
        else ()
    )
    tables = (_table(measured),) if measured is not None and measured.gap > 0 else ()
    return Section(
        "circuit", "Do these parts do the work alone, and is that all?", TEXT_ABOVE, findings,
        tables=tables, overview=overview,
    )  # fmt: skip


def fault_edges(subject: Subject, kind: str) -> Edges | None:
    """What each edge carries from strings with only this fault into balanced ones."""
    chosen = subject.seen.groups[kind] & subject.opens
    pairs = with_balanced(subject.examples, chosen, PAIRS)
    if pairs is None:
        return None
    unbalanced, balanced = pairs
    return edges(subject.model, balanced, unbalanced, towards=1)


def path(subject: Subject) -> list[Part]:
    """The elevation circuit: tally head, MLPs, elevation head; empty if a head is missing."""
    if subject.elevation.head is None or subject.tally.tally is None:
        return []
    mlps = [Part(f"MLP {layer}") for layer in subject.mlps]
    return [Part(str(subject.tally.tally.head)), *mlps, Part(subject.elevation.head)]


def claimed(subject: Subject, measured: Edges | None) -> list[Part]:
    """All parts of the story: the path and the negative head; empty without both deciding heads.

    Where no head tallies, the parts that strong edges touch stand in for the path.
    """
    if subject.elevation.head is None or subject.negative.head is None:
        return []
    names = [part.name for part in path(subject)]
    if not names and measured is not None:
        touched = [name for edge in measured.strong(STRONG) for name in (edge.sender, edge.receiver)]
        names = [name for name in touched if name not in ("embedding", ANSWER)]
    deciding = [subject.elevation.head, subject.negative.head]
    return [Part(name) for name in dict.fromkeys([*names, *deciding])]


def _whole(subject: Subject, measured: Edges | None) -> tuple[Finding, ...]:
    parts = claimed(subject, measured)
    if not parts:
        reason = subject.negative.reason or subject.elevation.reason or NO_ELEVATION
        return tuple(claim.missing(reason) for claim in (ALONE, LOSS, WITHOUT))
    some = subject.examples[:EXAMPLES]
    found = faithfulness(subject.model, some, parts)
    common = max(some.labels.double().mean().item(), 1 - some.labels.double().mean().item())
    named = ", ".join(map(str, parts))
    every = len(component_names(subject.model, subject.model.config.n_layers)) - 1
    return (
        ALONE.found(
            found.alone.accuracy,
            found.alone.accuracy >= 0.95,
            f"{named} do the task alone: the other {every - len(parts)} of {every} heads and MLPs are "
            "mean-ablated.",
        ),
        LOSS.found(found.alone.loss, found.alone.loss <= found.whole.loss + 0.1),
        WITHOUT.found(found.without.accuracy, found.without.accuracy <= common + 0.05),
    )


def _elevation(subject: Subject) -> tuple[Finding, ...]:
    parts, groups = path(subject), subject.seen.groups
    chosen = subject.examples[groups["balanced"] | groups["only total elevation"]][:EXAMPLES]
    if not parts or not len(chosen) or subject.read is None:
        reason = subject.tally.reason or NO_TALLY
        return ELEVATION.missing(reason), STRICT.missing(reason)
    *early, last = (part.name for part in parts)
    strict = [*(Part(name, (subject.read,)) for name in early), Part(last, (subject.answer,))]
    loose, tight = (faithfulness(subject.model, chosen, which).alone for which in (parts, strict))
    named = ", ".join(map(str, parts))
    return (
        ELEVATION.found(
            loose.accuracy,
            loose.accuracy >= 0.95,
            f"{named}, all else mean-ablated, tell balanced strings from those that only fail by total "
            "elevation.",
        ),
        STRICT.found(tight.accuracy, tight.accuracy >= 0.95),
    )


def _paths(subject: Subject, measured: Edges | None) -> tuple[Finding, Finding]:
    parts = path(subject)
    if not parts or measured is None or measured.gap <= 0 or len(parts) < 3:
        reason = subject.tally.reason or "there is no pair, or no path of three parts, to measure"
        return PATH.missing(reason), COMPLETE.missing(reason)
    effects = {(edge.sender, edge.receiver): edge.effect / measured.gap for edge in measured.edges}
    names = [part.name for part in parts]
    into = max(effects.get((names[0], name), 0.0) for name in names[1:-1])
    out = max(effects.get((name, names[-1]), 0.0) for name in names[1:-1])
    steps = [into, out, effects[names[-1], ANSWER]]
    outside = [edge for edge in measured.edges if edge.sender not in (*names, "embedding")]
    strongest = max(outside, key=lambda edge: edge.effect, default=None)
    if strongest is None:
        return PATH.found(min(steps), min(steps) >= STRONG), COMPLETE.missing("there is nothing else")
    share = strongest.effect / measured.gap
    said = f"The strongest edge out of a component off that path goes from {strongest.sender} to "
    return (
        PATH.found(min(steps), min(steps) >= STRONG),
        COMPLETE.found(share, share < STRONG, f"{said}{strongest.receiver}."),
    )


def diagram(subject: Subject, measured: Edges, fault: str) -> Illustration:
    """What carries a fault through the model."""
    strong: Sequence[Edge] = measured.strong(STRONG)[:DRAWN]
    names = component_names(subject.model, subject.model.config.n_layers)
    figure = circuit_diagram(strong, names, roles(subject), measured.gap)
    return Illustration(
        figure,
        f"How a {fault} travels: the {len(strong)} strongest direct edges that carry at least "
        f"{STRONG:.0%} of the "
        f"{measured.gap:.1f} logits that tell an unbalanced string from a balanced one, measured by "
        "path patching "
        f"on {measured.pairs} pairs; numbers and widths are logits. Red: heads to which the study gives "
        "a part.",
    )


def roles(subject: Subject) -> dict[str, str]:
    """What the heads that have a part are called."""
    found: dict[str, str] = {}
    if subject.tally.tally is not None:
        found[str(subject.tally.tally.head)] = "tally"
    for name, head in (("elevation", subject.elevation.head), ("negative", subject.negative.head)):
        if head is not None:
            found[head] = f"{found[head]} and {name}" if head in found else name
    return found


def _table(measured: Edges) -> Table:
    rows = tuple(
        (edge.sender, edge.receiver, edge.effect, edge.effect / measured.gap)
        for edge in measured.strong(STRONG / 2)
    )
    return Table(
        ("from", "to", "logits", "share of the gap"),
        rows,
        f"All edges that carry at least {STRONG / 2:.0%} of the gap.",
    )
