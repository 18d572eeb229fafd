"""Attention patterns side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import LOOK, WEIGHTS, coloured


def attention_panels(
    panels: Mapping[str, Float[np.ndarray, "query key"]], labels: Sequence[str], columns: int = 2
) -> go.Figure:
    """A square for each pattern, on one scale; pointing at a cell shows query, key and weight."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=list(map(escape, panels)),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.2 / rows,
    )
    shown = list(map(escape, labels))
    for index, pattern in enumerate(panels.values()):
        trace = go.Heatmap(
            z=pattern.astype("float32"),
            x=shown,
            y=shown,
            coloraxis="coloraxis",
            hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.3f}<extra></extra>",
        )
        figure.add_trace(trace, row=1 + index // columns, col=1 + index % columns)
    figure.update_xaxes(showgrid=False, ticks="", nticks=12, tickfont_size=10, type="category")
    figure.update_yaxes(
        autorange="reversed", showgrid=False, ticks="", tickfont_size=10, nticks=12, type="category"
    )
    figure.update_xaxes(title="key", row=rows)
    figure.update_yaxes(title="query", col=1)
    figure.update_layout(template=LOOK, height=130 + 370 * rows)
    return coloured(figure, "attention", colorscale=WEIGHTS, cmin=0)
