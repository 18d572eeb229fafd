"""How does a broken pair reach the answer, edge by edge?"""

from __future__ import annotations

import torch
from torch.nn import functional

from algoscope.analysis.components import component_names
from algoscope.discovery.edges import ANSWER, Edges, edges
from algoscope.figures.circuit import circuit_diagram
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.stories.palindromes.subject import NO_MATCHING, NO_READING, OURS, Subject
from algoscope.tasks.palindromes import HALF, broken_at

EACH = 12
"""Pairs of sequences for each mirrored pair."""
STRONG = 0.1
"""Of the gap: ten such edges in parallel could carry all of it."""


def paths(subject: Subject) -> Section:
    """How does a broken pair reach the answer?"""
    measured = _measured(subject)
    text = (
        f"A palindrome and the same sequence with one pair broken, {measured.pairs} times, each pair as "
        "often. One component of the broken run gets what another wrote on the palindrome, and nothing "
        "else changes: the fall of the answer's log odds is what went along this edge. Edges don't add "
        "up, as a path has many."
    )
    tables = () if measured.gap <= 0 else (_table(measured),)
    return Section(
        "paths",
        "How does a broken pair reach the answer, edge by edge?",
        text,
        (_finding(subject, measured),),
        tables=tables,
        overview=() if measured.gap <= 0 else (_diagram(subject, measured),),
    )


def _measured(subject: Subject) -> Edges:
    broken = functional.one_hot(torch.arange(HALF), HALF).bool().repeat(EACH, 1)
    # The same seed draws the same first halves, so the two differ in the broken pair alone.
    faulty, intact = (broken_at(where, subject.seed) for where in (broken, torch.zeros_like(broken)))
    return edges(subject.model, faulty, intact, towards=0)


def _finding(subject: Subject, measured: Edges) -> Finding:
    matcher, reader = subject.matcher, subject.reader
    value, reason = None, NO_READING if reader is None else NO_MATCHING if matcher is None else ""
    if matcher is not None and reader is not None:
        steps = {(str(matcher), str(reader)), (str(reader), ANSWER)}
        effects = [edge.effect for edge in measured.edges if (edge.sender, edge.receiver) in steps]
        reason = "" if measured.gap > 0 else "a broken pair does not move the answer"
        value = min(effects) / measured.gap if measured.gap > 0 else None
    return Finding(
        "circuit-path",
        "A broken pair goes from the matching head to the reading head, and from there to the answer."
        if matcher is None or reader is None
        else f"A broken pair goes from head {matcher} to head {reader}, and from there to the answer.",
        value,
        "share of the gap, weaker of the two steps",
        f"at least {STRONG:g}",
        None if value is None else value >= STRONG,
        OURS,
        reason,
    )


def _diagram(subject: Subject, measured: Edges) -> Illustration:
    roles = {}
    if subject.matcher is not None:
        roles[str(subject.matcher)] = "compares mirror images"
    if subject.reader is not None:
        roles[str(subject.reader)] = "looks for mismatches"
    names = component_names(subject.model, subject.model.config.n_layers)
    strong = [edge for edge in measured.strong(STRONG / 2) if edge.sender != "embedding"]
    caption = (
        f"What goes along each edge when one pair is broken, in logits of a gap of {measured.gap:.1f} on "
        f"average: every edge between heads, and to the answer, that carries {STRONG / 2:.0%} of it or more."
    )
    return Illustration(circuit_diagram(strong, names, roles, measured.gap), caption)


def _table(measured: Edges) -> Table:
    rows = tuple(
        (edge.sender, edge.receiver, edge.effect, edge.effect / measured.gap)
        for edge in measured.strong(STRONG / 2)
    )
    columns = ("from", "to", "logits", "share of the gap")
    return Table(
        columns, rows, f"Edges that carry at least {STRONG / 2:.0%} of the gap of {measured.gap:.2f}."
    )
