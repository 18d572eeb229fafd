"""Which head reads what an earlier head wrote, more than random weights would have it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from algoscope.analysis.composition import KINDS, Composition, composition
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head
from algoscope.model.processing import process
from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

FAR = at_least(3)

ANY = Claim(
    "composition-any",
    "Some head reads what an earlier head writes, more than random weights would.",
    "standard deviations above random matrices",
    FAR,
)
NEEDED = Claim(
    "composition-needed",
    "Every needed head after the first layer reads what an earlier needed head writes, more than random "
    "weights would.",
    "standard deviations above random matrices, for each such head",
    FAR.each(),
)
MOST = 12
"""Pairs that the table lists."""


def composition_of(seen: Seen, needed: Sequence[Head]) -> Section:
    """Which head reads what an earlier head wrote, and do the heads in `needed` read one another?"""
    section = Section("composition", "Which head reads what an earlier head wrote?", _text())
    if seen.model.config.n_layers == 1:
        return replace(section, findings=(ANY.missing("the model has one layer: no head reads another"),))
    found = composition(process(seen.model), seed=seen.seed)
    first = found.pairs[0]
    return replace(
        section,
        findings=(ANY.measured(found.z(first), said=_words(found, first)), _among(found, needed)),
        illustrations=(_map(found),),
        tables=(_table(found, needed),),
    )


def _text() -> str:
    return (
        "A head composes with an earlier one if its queries (Q), keys (K) or values (V) are read from where "
        "the earlier one writes. The score is the norm of the product of the two weight matrices over the "
        "product of their norms, from 0 to 1, and is compared with that of random matrices of the same "
        "shape: among many pairs, some lie a few standard deviations above by chance. Weights are processed "
        "(norms folded), and say what could flow: whether it matters on real inputs is for interventions to "
        "say. Method: A Mathematical Framework for Transformer Circuits."
    )


def _among(found: Composition, needed: Sequence[Head]) -> Finding:
    """Each needed reader's highest score, over the needed heads of earlier layers."""
    pairs = [pair for pair in found.pairs if {pair[1], pair[2]} <= set(needed)]
    readers = sorted({reader for _, _, reader in pairs})
    if not readers:
        return NEEDED.missing("no two needed heads stand in different layers")
    best = [next(pair for pair in pairs if pair[2] == reader) for reader in readers]
    return NEEDED.measured(
        [found.z(pair) for pair in best], said="; ".join(_words(found, pair) for pair in best)
    )


def _words(found: Composition, pair: tuple[str, Head, Head]) -> str:
    kind, writer, reader = pair
    return (
        f"the {kind} of head {reader} with head {writer}: {found.score(*pair):.3f}, {found.z(pair):.1f} above"
    )


def _map(found: Composition) -> Illustration:
    writers = [head for head in found.heads if head.layer < found.heads[-1].layer]
    readers = [head for head in found.heads if head.layer > 0]
    at = [found.heads.index(head) for head in writers], [found.heads.index(head) for head in readers]
    figure = heatmaps(
        {
            f"{kind}-composition": table[at[0]][:, at[1]].numpy()
            for kind, table in zip(KINDS, found.scores, strict=True)
        },
        list(map(str, writers)),
        list(map(str, readers)),
        ("writer", "reader"),
        "score",
        found.baseline.mean,
    )
    return Illustration(
        figure,
        f"How much of what one head writes another reads. White is what random matrices score on average, "
        f"{found.baseline.mean:.3f}, give or take {found.baseline.std:.3f}.",
    )


def _table(found: Composition, needed: Sequence[Head]) -> Table:
    far = found.composing(FAR.limit)
    rows = tuple(
        (
            kind,
            str(writer),
            str(reader),
            found.score(kind, writer, reader),
            found.z((kind, writer, reader)),
            "yes" if {writer, reader} <= set(needed) else "no",
        )
        for kind, writer, reader in far[:MOST]
    )
    return Table(
        ("read as", "writer", "reader", "score", "above random", "both needed"),
        rows,
        f"The pairs at least {FAR.limit:g} standard deviations above random matrices: {len(far)} of "
        f"{len(found.pairs)}" + (f", of which the {MOST} highest." if len(far) > MOST else "."),
    )
