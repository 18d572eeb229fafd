"""Something about each position of the sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import BLUE, LOOK, OTHER_COLOURS, SYMBOLS, VERMILION, wrapped


def position_points(
    values: Float[np.ndarray, "row position"],
    positions: Sequence[int],
    kinds: Mapping[str, Sequence[int]],
    measure: str,
) -> go.Figure:
    """A point for each row (an example, or a circuit) and position; `kinds` of positions have colours."""
    figure = go.Figure()
    where = {position: column for column, position in enumerate(positions)}
    for index, (name, members) in enumerate(kinds.items()):
        present = [position for position in members if position in where]
        chosen = values[:, [where[position] for position in present]]
        figure.add_trace(
            go.Scatter(
                x=np.tile(np.array(present, dtype="float32"), len(values)),
                y=chosen.astype("float32").ravel(),
                name=escape(name),
                mode="markers",
                marker={
                    "color": OTHER_COLOURS[index % len(OTHER_COLOURS)],
                    "symbol": SYMBOLS[index % len(SYMBOLS)],
                    "size": 9 if len(values) == 1 else 5,
                    "opacity": 1 if len(values) == 1 else 0.35,
                },
                hovertemplate="position %{x}: %{y:.3~g}<extra></extra>",
            )
        )
    figure.add_hline(y=0, line_color="#59636e", line_width=1)
    ends = [min(positions) - 0.6, max(positions) + 0.6]
    figure.update_xaxes(title="position", dtick=2, tickangle=0, showgrid=False, zeroline=False, range=ends)
    figure.update_yaxes(title=wrapped(measure))
    return figure.update_layout(template=LOOK, height=340)


def attention_of_examples(
    rows: Float[np.ndarray, "example key"],
    labels: Sequence[Sequence[str]],
    marked: Sequence[Sequence[bool]],
    titles: Sequence[str],
) -> go.Figure:
    """The attention from one position on each example, a bar for each position; marked ones stand out."""
    columns = min(3, len(rows))
    figure = make_subplots(
        rows=-(-len(rows) // columns),
        cols=columns,
        subplot_titles=[escape(title) for title in titles],
        shared_yaxes="all",
        vertical_spacing=0.24,
        horizontal_spacing=0.04,
    )
    for index, (weights, words, bad) in enumerate(zip(rows, labels, marked, strict=True)):
        bar = go.Bar(
            x=[f"{position}: {escape(word)}" for position, word in enumerate(words)],
            y=weights.astype("float32"),
            marker_color=[VERMILION if mark else BLUE for mark in bad],
            hovertemplate="%{x}<br>attention %{y:.3f}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bar, row=1 + index // columns, col=1 + index % columns)
    figure.update_xaxes(tickangle=-90, tickfont_size=8, showgrid=False, ticks="", dtick=1)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="attention", col=1)
    return figure.update_layout(template=LOOK, height=100 + 230 * -(-len(rows) // columns), bargap=0.15)
