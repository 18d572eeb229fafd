"""What does each needed head read, and what does it write?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.circuits import strongest
from algoscope.analysis.head_circuits import HeadCircuits, head_circuits, norm_scale, not_padding
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head
from algoscope.model.layers import NoNorm
from algoscope.model.processing import (
    center_writing_weights,
    fold_layer_norm,
    fold_value_biases,
    process,
)
from algoscope.model.transformer import Transformer
from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

SAME_TOKEN = Claim(
    "same-token-head",
    "A needed head looks for the token that it stands on: its token circuit scores the same token highest.",
    "share of tokens, for each needed head",
    at_least(0.9).any(),
)
COPIES = Claim(
    "copying-head",
    "A needed head copies: attending to a token raises the logit of the class of that name most.",
    "share of tokens, for each needed head",
    at_least(0.9).any(),
)
BY_POSITION = Claim(
    "positions-say-where",
    "Where a needed head looks on average is what its position circuit alone says.",
    "share of how far mean attention is from even, for each needed head that does not look evenly",
    at_least(0.8).each(),
)
SOME = 300
"""Inputs over which attention is averaged: whole patterns are held in memory."""
EVEN = 0.05
"""A head that has to move less of its attention than this to spread it evenly looks evenly."""
MOST = 40
"""Rows and columns of a heat map that can still be told apart."""
PANELS = 3
"""Heads in one figure."""
SCORES = ("query", "key", "score", "scores before the softmax, less each query's mean")
LOGITS = ("source", "class", "logits", "what attending to it alone adds to each, less the mean over sources")


def reads(seen: Seen) -> Section:
    """What does each needed head read, and what does it write?"""
    return reads_of(seen, seen.needed_heads)


def reads_of(seen: Seen, heads: Sequence[Head]) -> Section:
    """What do these heads read, and what do they write?"""
    section = Section("reads", "What does each needed head read, and what does it write?", _text(seen))
    if not heads:
        return replace(section, findings=(SAME_TOKEN.missing("no head is needed"),))
    found = circuits_of(seen, heads)
    return replace(
        section,
        findings=_findings(seen, found),
        illustrations=_figures(seen, found),
        tables=(_table(seen, found),),
    )


def circuits_of(seen: Seen, heads: Sequence[Head]) -> list[HeadCircuits]:
    """Each head's circuits in processed weights, over the first of the kept examples."""
    model, some = processed(seen), seen.kept[:SOME]
    used, last = not_padding(model, some), model.config.n_layers - 1
    scales = {layer: norm_scale(model, some, layer, used) for layer in {head.layer for head in heads}}
    final, resid = seen.model.ln_final, seen.components.resid
    final_scale = 1.0
    if not isinstance(final, NoNorm):
        final_scale = (resid.var(-1, correction=0) + final.eps).sqrt().mean().item()
    return [
        head_circuits(
            model, some, head, some.answered if head.layer == last else used, scales[head.layer], final_scale
        )
        for head in heads
    ]


def processed(seen: Seen) -> Transformer:
    """The model with norms folded and needless means and biases taken out.

    Where an answer is a set, each class is its own yes or no, so logits keep their mean over classes.
    """
    if not seen.kept.sets:
        return process(seen.model)
    model = seen.model
    if not isinstance(model.ln_final, NoNorm):
        model = fold_layer_norm(center_writing_weights(model))
    return fold_value_biases(model)


def _text(seen: Seen) -> str:
    return (
        "Needed heads are those that the model can't spare, and those that stand in for one another. A "
        "head's circuits are read from its weights. QK: how much one token or position, as a query, scores "
        "another as a key. OV: what attending to a token or position alone adds to the logits by the direct "
        "path. They start from embeddings: what earlier layers add to the stream is not in them, so for a "
        "head of a later layer they are a part of the story. Weights are processed (norms and value biases "
        "folded, means taken out), which changes no prediction; what norm is left is its mean scale. Mean "
        f"attention is over {min(SOME, len(seen.kept)):,} inputs, from the answers for heads of the last "
        "layer, else from everywhere. Method: A Mathematical Framework for Transformer Circuits."
    )


def _findings(seen: Seen, found: list[HeadCircuits]) -> tuple[Finding, ...]:
    findings = [_each(SAME_TOKEN, {str(each.head): each.matches for each in found})]
    named = classes_of_tokens(seen, found[0])
    if len(named) > 1:
        findings.append(_each(COPIES, {str(each.head): each.copies(named) for each in found}))
    looks = {str(each.head): each.look.explained for each in found if each.look.uneven >= EVEN}
    evenly = BY_POSITION.missing("on average, every needed head looks evenly")
    return (*findings, _each(BY_POSITION, looks) if looks else evenly)


def _each(claim: Claim, shares: dict[str, float]) -> Finding:
    said = "; ".join(f"head {head}: {share:.2f}" for head, share in shares.items())
    return claim.measured([*shares.values()], said=said)


def classes_of_tokens(seen: Seen, circuits: HeadCircuits) -> dict[int, int]:
    """For each token that occurs and is called like a class, that class."""
    classes = {name: index for index, name in enumerate(seen.task.classes)}
    names = {token: seen.task.vocabulary[token] for token in circuits.tokens.tolist()}
    return {token: classes[name] for token, name in names.items() if name in classes}


def _table(seen: Seen, found: list[HeadCircuits]) -> Table:
    named = classes_of_tokens(seen, found[0])
    rows = tuple(
        (
            str(each.head),
            each.token_spread,
            each.position_spread,
            each.matches,
            each.copies(named) if len(named) > 1 else None,
            each.look.uneven,
            each.look.explained if each.look.uneven >= EVEN else None,
        )
        for each in found
    )
    columns = (
        "head",
        "spread by token",
        "spread by position",
        "same token",
        "copies",
        "uneven",
        "by position",
    )
    return Table(
        columns,
        rows,
        "How far a query's scores differ between tokens, and between positions (standard deviation); the "
        "share of tokens that score the same token highest; the share that raise the class of their name "
        "most; how much of its mean attention a head would have to move to look evenly; and how much of that "
        "unevenness its position circuit explains (1: all; below 0: worse than even).",
    )


def _figures(seen: Seen, found: list[HeadCircuits]) -> tuple[Illustration, ...]:
    """Heat maps of each kind of circuit, a few heads of one layer side by side.

    On one scale with an earlier layer's, a later layer's circuits, which are far weaker, would be white.
    """
    tokens = tuple(seen.task.vocabulary[token] for token in found[0].tokens.tolist())
    places, classes = tuple(map(str, found[0].positions.tolist())), tuple(seen.task.classes)
    kinds = (
        Drawn("Token QK", SCORES, [each.token_qk for each in found], tokens, tokens),
        Drawn("Position QK", SCORES, [each.position_qk for each in found], places, places),
        Drawn("Token OV", LOGITS, [each.token_ov for each in found], tokens, classes),
        Drawn("Position OV", LOGITS, [each.position_ov for each in found], places, classes),
    )
    heads = [f"head {each.head}" for each in found]
    layers = [[at for at, _ in each] for _, each in groupby(enumerate(found), lambda one: one[1].head.layer)]
    chunks = [each[start : start + PANELS] for each in layers for start in range(0, len(each), PANELS)]
    several = len(layers) > 1
    return tuple(
        kind.panels(heads, chunk, f", layer {found[chunk[0]].head.layer}" if several else "")
        for kind in kinds
        for chunk in chunks
    )


@dataclass(frozen=True)
class Drawn:
    """A kind of circuit to draw, a table for each head."""

    what: str
    measure: tuple[str, str, str, str]
    """What rows, columns and cells are, and what a cell means."""
    tables: list[Float[Tensor, "row column"]]
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def panels(self, heads: list[str], chunk: list[int], where: str) -> Illustration:
        """Some heads side by side: all rows and columns, or the strongest where there are many."""
        tables = [self.tables[index] for index in chunk]
        rows, columns = strongest(torch.stack(tables).nan_to_num().norm(dim=0), MOST)
        row, column, cell, meaning = self.measure
        figure = heatmaps(
            {heads[index]: self.tables[index][rows][:, columns].numpy() for index in chunk},
            [self.rows[index] for index in rows.tolist()],
            [self.columns[index] for index in columns.tolist()],
            (row, column),
            cell,
            0.0,
        )
        many = max(len(self.rows), len(self.columns)) > MOST
        cut = f" Of many, the {MOST} rows and columns of largest norm." if many else ""
        return Illustration(figure, f"{self.what}{where}: {meaning}.{cut}")
