"""How contributions are spread."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.analysis.attribution import Histograms
from algoscope.figures.look import LOOK, faded, group_colours


def contribution_histograms(spread: Histograms, columns: int) -> go.Figure:
    """One panel per component on one shared axis: the first beside the legend, the others in full rows."""
    cells = [(1, 1)] + [(2 + i // columns, 1 + i % columns) for i in range(len(spread.parts) - 1)]
    rows = cells[-1][0]
    titles = dict(zip(cells, spread.parts, strict=True))
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0.22 / rows,
        # One title for each cell that has a panel: plotly skips the empty ones.
        subplot_titles=[f"head {part}" if part.head else str(part) for part in titles.values()],
        specs=[
            [{} if (row + 1, col + 1) in titles else None for col in range(columns)] for row in range(rows)
        ],
    )
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    colours = group_colours(spread.groups)
    for component, (row, col) in enumerate(cells):
        for index, group in enumerate(spread.groups):
            line = _spread_line(middles, spread.shares[component, index], group, colours[group])
            figure.add_trace(line.update(showlegend=component == 0), row=row, col=col)
    for col in range(1, columns + 1):
        last = max((row for row, c in cells if c == col), default=None)
        if last:
            title = f"contribution towards<br>{escape(spread.towards)} (logits)"
            figure.update_xaxes(title=title, showticklabels=True, row=last, col=col)
    figure.update_xaxes(range=[spread.edges[0], spread.edges[-1]], title_font_size=12)
    figure.update_yaxes(showticklabels=False, rangemode="tozero", showgrid=False)
    legend = {"orientation": "v", "x": 1 / columns + 0.04, "y": 1.0, "xanchor": "left", "yanchor": "top"}
    return figure.update_layout(
        template=LOOK, height=110 + 130 * rows, legend=legend, margin_l=20, margin_b=64
    )


def _spread_line(
    middles: Float[np.ndarray, "bin"], shares: Float[np.ndarray, "bin"], group: str, colour: str
) -> go.Scatter:
    return go.Scatter(
        x=middles.astype("float32"),
        y=shares.astype("float32"),
        name=escape(group),
        legendgroup=group,
        mode="lines",
        line={"color": colour, "width": 1.6, "shape": "hvh"},
        fill="tozeroy",
        fillcolor=faded(colour, 0.22),
        hovertemplate="%{y:.1%} of " + escape(group) + " near %{x:.1f}<extra></extra>",
    )
