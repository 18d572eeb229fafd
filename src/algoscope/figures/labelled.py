"""A few named things, one quantity against another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from algoscope.figures.look import BLUE, LOOK


def labelled_points(
    x: Float[np.ndarray, "item"],
    y: Float[np.ndarray, "item"],
    names: Sequence[str],
    axes: tuple[str, str],
) -> go.Figure:
    """A point with its name for each item."""
    figure = go.Figure(
        go.Scatter(
            x=x.astype("float32"),
            y=y.astype("float32"),
            text=list(map(escape, names)),
            mode="markers+text",
            textposition="top center",
            textfont_size=11,
            cliponaxis=False,
            marker={"color": BLUE, "size": 10},
            hovertemplate="%{text}<br>%{x:.3~g}, %{y:.3~g}<extra></extra>",
        )
    )
    figure.update_xaxes(title=escape(axes[0]))
    figure.update_yaxes(title=escape(axes[1]))
    return figure.update_layout(template=LOOK, height=380)
