"""Does the elevation circuit do what the text says, alone, and is it all of it?"""

from __future__ import annotations

from algoscope.discovery.circuits.graph import Edge as Drawn
from algoscope.discovery.edges import Edge, Edges, edges
from algoscope.discovery.faithfulness import Part, faithfulness
from algoscope.figures.circuit import circuit_drawing
from algoscope.model.component import ANSWER, EMBEDDING, Component, heads_and_mlps
from algoscope.questions.bound import at_least, less_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.pairs import with_balanced
from algoscope.stories.brackets.subject import NO_MLP, TEXT, Subject, subject_of

EXAMPLES = 1000
"""For ablations: a share of 0.95 is then known to about one per cent."""
PAIRS = 96
STRONG = 0.1
"""Of the gap: ten such edges in parallel could carry all of it."""

# fmt: off
ALONE = Claim(
    "elevation-circuit-accuracy",
    "The tally head, the MLPs and the elevation head tell balanced strings from those that only fail by "
    "total elevation, all else mean-ablated.",
    "share of answers", at_least(0.95), TEXT,
    "The three important parts of our circuit (head 0.0, the MLP layers, and head 2.0)")
STRICT = Claim(
    "elevation-circuit-accuracy-strict",
    "They do so through the one position that the elevation head reads, each mean-ablated elsewhere.",
    "share of answers", at_least(0.95), TEXT,
    "The MLPs in residual stream 1 then operate nonlinearly on this tally, writing vectors to the "
    "residual stream that distinguish between the cases of zero and non-zero total elevation")
PATH = Claim(
    "elevation-path-edges",
    "Tally head to MLPs, MLPs to elevation head, elevation head to answer: each step carries the decision.",
    "share of the gap, weakest of the steps", at_least(STRONG), TEXT,
    "the thick black lines and orange dotted lines show the paths … constituting the elevation circuit")
COMPLETE = Claim(
    "elevation-circuit-complete",
    "No component outside that path carries as much as a tenth of the decision to where it goes next.",
    "share of the gap, strongest edge out of a component that is not on the path", less_than(STRONG), TEXT,
    "Our first-pass understanding of this behavior is complete")
# fmt: on
TEXT_ABOVE = (
    "A circuit that is claimed can be left alone: every other head and MLP then writes its mean over the "
    "examples, position by position, and what the model still answers is the circuit's work. Edges are "
    "measured one by one: an unbalanced string that only fails by total elevation is paired with a balanced "
    "one of the same length, and a receiver of the balanced run gets one sender's output from the unbalanced "
    "run. What then moves the answer went along this edge. Edges don’t add up to the gap: one path has many, "
    "and where several parts push the same way each is measured while the others still say “balanced”. So an "
    "MLP can have most of the push along a direction and a small share of the gap along its edge."
)


def circuit(seen: Seen) -> Section:
    """Does the circuit do what the text says, alone, and is it all of it?"""
    subject, question = subject_of(seen), "Does the elevation circuit do its work alone, and is that all?"
    measured = fault_edges(subject)
    findings = (*_elevation(subject), *_paths(subject, measured))
    return Section("circuit", question, TEXT_ABOVE, findings, _drawn(subject, measured))


def fault_edges(subject: Subject) -> Edges | None:
    """What each edge carries from strings that only fail by total elevation into balanced ones."""
    chosen = subject.groups["only total elevation"] & subject.opens
    pairs = with_balanced(subject.examples, chosen, PAIRS)
    if pairs is None:
        return None
    unbalanced, balanced = pairs
    measured = edges(subject.model, balanced, unbalanced)
    return measured if measured.gap > 0 else None


def path(subject: Subject) -> list[Component]:
    """The elevation circuit: tally head, MLPs, elevation head; empty if a head is missing."""
    if subject.elevation.head is None or subject.tally.tally is None:
        return []
    ends = (Component.of(head) for head in (subject.tally.tally.head, subject.elevation.head))
    return sorted({*ends, *map(Component.mlp, subject.mlps)})


def _elevation(subject: Subject) -> tuple[Finding, ...]:
    parts, groups, reader = path(subject), subject.groups, subject.reader
    if not parts or reader is None:
        return all_missing((ALONE, STRICT), subject.tally.reason)
    chosen = subject.examples[groups["balanced"] | groups["only total elevation"]][:EXAMPLES]
    answers = tuple(chosen.answer_positions.tolist())
    last = Component.of(reader.head)
    strict = [Part(part, answers if part == last else (reader.read,)) for part in parts]
    said = f"{', '.join(map(str, parts))}, on {len(chosen):,} strings"
    return tuple(
        claim.measured(faithfulness(subject.model, chosen, which).alone.accuracy, said)
        for claim, which in ((ALONE, [Part(part) for part in parts]), (STRICT, strict))
    )


def _paths(subject: Subject, measured: Edges | None) -> tuple[Finding, ...]:
    parts = path(subject)
    if len(parts) < 3 or measured is None:
        reason = subject.tally.reason or (NO_MLP if measured else "there is no pair of strings to measure")
        return all_missing((PATH, COMPLETE), reason)
    effects = {(edge.sender, edge.receiver): edge.effect / measured.gap for edge in measured.edges}
    tally, *mlps, last = parts
    into = max(effects.get((tally, mlp), 0.0) for mlp in mlps)
    out = max(effects.get((mlp, last), 0.0) for mlp in mlps)
    end = effects[last, ANSWER]
    steps = f"{into:.2f} into an MLP, {out:.2f} into head {last}, {end:.2f} into the answer"
    outside = [edge for edge in measured.edges if edge.sender not in (*parts, EMBEDDING)]
    strongest = max(outside, key=lambda edge: edge.effect, default=None)
    complete = COMPLETE.missing("there is nothing else")
    if strongest is not None:
        said = f"the strongest goes from {strongest.sender.words} to {strongest.receiver.words}"
        complete = COMPLETE.measured(strongest.effect / measured.gap, said)
    return PATH.measured(min(into, out, end), steps), complete


def _drawn(subject: Subject, measured: Edges | None) -> tuple[Illustration, ...]:
    """Every edge along the claimed path, whatever it carries, and every other that is strong."""
    parts = path(subject)
    if len(parts) < 3 or measured is None:
        return ()
    claimed = [edge for edge in measured.edges if _along(edge, parts)]
    others = [edge for edge in measured.strong(STRONG) if edge not in claimed]
    shares = {Drawn(edge.sender, edge.receiver): edge.effect / measured.gap for edge in (*claimed, *others)}
    drawing = circuit_drawing(shares, (EMBEDDING, *heads_and_mlps(subject.model.config), ANSWER))
    left = len(measured.edges) - len(shares)
    caption = (
        f"All {len(claimed)} edges from head {parts[0]} to MLPs, from MLPs to head {parts[-1]} and on to the "
        f"answer, and {len(others)} others that carry at least a tenth of the gap, as wide as their share of "
        f"it. Left out are {left} edges, each below a tenth."
    )
    return (Illustration(drawing, caption),)


def _along(edge: Edge, parts: list[Component]) -> bool:
    """Whether an edge is a step of the path: tally head, an MLP, elevation head, answer."""
    tally, *mlps, last = parts
    into = edge.sender == tally and edge.receiver in mlps
    return (
        into
        or (edge.sender in mlps and edge.receiver == last)
        or (edge.sender, edge.receiver) == (last, ANSWER)
    )
