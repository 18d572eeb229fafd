"""Which head reads what which other head wrote?"""

from __future__ import annotations

from algoscope.analysis.composition import KINDS, Composition
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.stories.palindromes.subject import NO_MATCHING, NO_READING, TEXT, Subject

LEAST_Z = 3.0
"""Standard deviations above what random matrices give: by chance, one score in about 700."""
AS = {"Q": "queries", "K": "keys", "V": "values"}
QUOTES = {
    "Q": "H0.0's OV output space overlaps significantly with H1.0's Q input space",
    "K": "H0.0's output is used in H1.0's keys",
    "V": "H0.0's output is used in H1.0's values",
}


def composing(subject: Subject) -> Section:
    """Does the reading head read what the matching head wrote?"""
    found = subject.composition
    findings = [_score(subject, kind) for kind in "KVQ"]
    findings += [_others(subject), *_baseline(found)]
    return Section(
        "composition",
        "Does the reading head read what the matching head wrote, and as what?",
        "A composition score compares what one head writes with what a later head's queries, keys or values "
        "read, from the weights alone. Random matrices of these sizes give a score too: "
        f"{found.baseline.mean:.4f} on average over {found.baseline.draws} seeded draws. What lies "
        f"{LEAST_Z:g} of their standard deviations above that composes.",
        tuple(findings),
        _figure(found),
        (_table(found),) if _pairs(found) else (),
    )


def _score(subject: Subject, kind: str) -> Finding:
    writer, reader, found = subject.matcher, subject.reader, subject.composition
    identity, unit = f"composition-{kind.lower()}", "composition score"
    least = found.baseline.mean + LEAST_Z * found.baseline.std
    expected = f"at least {least:.4f}: {LEAST_Z:g} standard deviations above random matrices"
    if writer is None or reader is None:
        claim = f"What the matching head writes is read by the reading head's {AS[kind]}."
        reason = NO_READING if reader is None else NO_MATCHING
        return Finding(identity, claim, None, unit, expected, None, TEXT, reason, QUOTES[kind])
    score = found.score(kind, writer, reader)
    z = found.baseline.z(score)
    claim = (
        f"What head {writer} writes is read by the {AS[kind]} of head {reader}: {z:+.1f} standard deviations."
    )
    return Finding(identity, claim, score, unit, expected, z >= LEAST_Z, TEXT, quote=QUOTES[kind])


def _others(subject: Subject) -> Finding:
    """Whether nothing but the matching head composes with anything."""
    found, own = subject.composition, (subject.matcher, subject.reader)
    composing = [which for which in found.composing(LEAST_Z) if which[1:] != own]
    return Finding(
        "composition-others",
        "No other pair of heads composes.",
        [f"{kind}: {writer} into {reader}" for kind, writer, reader in composing],
        "pairs of heads that do",
        f"none at {LEAST_Z:g} standard deviations above random matrices",
        None if None in own else not composing,
        TEXT,
        "without both roles there is nothing to compare with" if None in own else "",
        quote="None of the other input/output spaces have significant overlap",
    )


def _baseline(found: Composition) -> tuple[Finding, ...]:
    measured = (("mean", found.baseline.mean), ("std", found.baseline.std))
    return tuple(
        Finding(
            f"composition-baseline-{name}",
            f"The {'mean' if name == 'mean' else 'standard deviation'} of the scores of random matrices.",
            value,
            "composition score",
            "",
            None,
            TEXT,
            f"{found.baseline.draws} draws",
        )
        for name, value in measured
    )


def _figure(found: Composition) -> tuple[Illustration, ...]:
    writers = [head for head in found.heads if any(pair[0] == head for pair in _pairs(found))]
    readers = [head for head in found.heads if any(pair[1] == head for pair in _pairs(found))]
    if not readers:
        return ()
    rows, columns = ([found.heads.index(head) for head in side] for side in (writers, readers))
    panels = {
        f"{kind}-composition": found.scores[index][rows][:, columns].numpy()
        for index, kind in enumerate(KINDS)
    }
    chart = heatmaps(
        panels, _names(writers), _names(readers), ("writer", "reader"), "score", found.baseline.mean
    )
    caption = (
        "Composition scores of every earlier head into every later one; white is what random matrices give."
    )
    return (Illustration(chart, caption),)


def _table(found: Composition) -> Table:
    rows: tuple[tuple[str | float, ...], ...] = tuple(
        (
            str(writer),
            str(reader),
            *(found.baseline.z(found.score(kind, writer, reader)) for kind in KINDS),
        )
        for writer, reader in _pairs(found)
    )
    return Table(("writer", "reader", "Q", "K", "V"), rows, "Standard deviations above random matrices.")


def _pairs(found: Composition) -> list[tuple[Head, Head]]:
    return [(w, r) for w in found.heads for r in found.heads if w.layer < r.layer]


def _names(heads: list[Head]) -> list[str]:
    return [str(head) for head in heads]
