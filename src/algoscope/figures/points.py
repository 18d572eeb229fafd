"""Two numbers of each of a few named things."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go

from algoscope.figures.look import LOOK, OTHER_COLOURS, SYMBOLS, wrapped


def points(series: Mapping[str, Mapping[str, tuple[float, float]]], axes: tuple[str, str]) -> go.Figure:
    """A point for each thing, in the colour of its series; pointing at it shows its name."""
    figure = go.Figure()
    for index, (name, things) in enumerate(series.items()):
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in things.values()],
                y=[y for _, y in things.values()],
                text=list(map(escape, things)),
                mode="markers",
                name=escape(name),
                marker={
                    "color": OTHER_COLOURS[index % len(OTHER_COLOURS)],
                    "symbol": SYMBOLS[index % len(SYMBOLS)],
                    "size": 7,
                    "opacity": 0.75,
                },
                hovertemplate="%{text}: %{x:.3g}, %{y:.3g}<extra></extra>",
            )
        )
    figure.update_xaxes(title=wrapped(axes[0]))
    figure.update_yaxes(title=wrapped(axes[1]))
    return figure.update_layout(template=LOOK, height=420)
