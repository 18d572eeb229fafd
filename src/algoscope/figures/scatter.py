"""One quantity against another, a point for each example."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float

from algoscope.figures.look import LOOK, SYMBOLS, group_colours, wrapped


def two_heads(
    x: Float[np.ndarray, "row"],
    y: Float[np.ndarray, "row"],
    groups: Mapping[str, Bool[np.ndarray, "row"]],
    labels: tuple[str, str],
) -> go.Figure:
    """One point per example: what one head contributes against what another does, by group."""
    figure = go.Figure()
    colours = group_colours(list(groups))
    for index, (name, mask) in enumerate(groups.items()):
        figure.add_trace(
            go.Scatter(
                x=x[mask].astype("float32"),
                y=y[mask].astype("float32"),
                mode="markers",
                name=escape(name),
                marker={
                    "color": colours[name],
                    "size": 5,
                    "opacity": 0.55,
                    "symbol": SYMBOLS[index % len(SYMBOLS)],
                },
                hovertemplate=escape(name) + "<br>%{x:.1f}, %{y:.1f} logits<extra></extra>",
            )
        )
    figure.update_xaxes(title=wrapped(labels[0]))
    figure.update_yaxes(title=wrapped(labels[1]))
    return figure.update_layout(template=LOOK, height=480, legend={"itemsizing": "constant"})
