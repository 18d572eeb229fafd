"""Where heads look."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from algoscope.figures.look import LOOK, VERMILION


def attention_bars(mean: Float[np.ndarray, "key"], query: int, most: int, over: str) -> go.Figure:
    """Mean attention from one position to each; the position that is read most stands out."""
    colours = [VERMILION if key == most else "#8c959f" for key in range(len(mean))]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(mean))),
            y=mean.astype("float32"),
            marker_color=colours,
            hovertemplate="position %{x}: %{y:.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="position that is read (0 is the first token)", dtick=2, showgrid=False)
    figure.update_yaxes(title=f"mean attention from position {query}<br>({escape(over)})", rangemode="tozero")
    return figure.update_layout(template=LOOK, height=340, margin_l=84, margin_t=16, bargap=0.15)
