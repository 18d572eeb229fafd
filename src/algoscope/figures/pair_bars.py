"""Shares of the same few things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import BLUE, LOOK, VERMILION


def bars_above(names: Sequence[str], panels: Mapping[str, Float[np.ndarray, "item"]], axis: str) -> go.Figure:
    """A panel of bars for each kind of share, one above the other, over the same named things."""
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes="all", vertical_spacing=0.1)
    for row, (measure, values) in enumerate(panels.items(), 1):
        bar = go.Bar(
            x=list(map(escape, names)),
            y=values.astype("float32"),
            marker_color=(BLUE, VERMILION)[(row - 1) % 2],
            texttemplate="%{y:.2%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{escape(axis)} %{{x}}<br>{escape(measure)} %{{y:.4~%}}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bar, row=row, col=1)
        # At least a hundredth high, so that next to nothing doesn't look like a wall.
        reach = max(0.01, 1.2 * float(values.max()))
        figure.update_yaxes(title=escape(measure), range=[0, reach], tickformat=".2~%", row=row, col=1)
    figure.update_xaxes(type="category", showgrid=False, ticks="")
    figure.update_xaxes(title=escape(axis), row=len(panels), col=1)
    return figure.update_layout(template=LOOK, height=110 + 170 * len(panels), bargap=0.35, margin_t=28)
