"""Numbers of a few things side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from algoscope.figures.look import BLUE, INK, LOOK, OTHER_COLOURS, VERMILION, wrapped


def grouped_bars(
    series: Mapping[str, Sequence[float]], labels: Sequence[str], measure: str, line: float | None = None
) -> go.Figure:
    """A bar of each series for each label; a dashed line where it helps to compare."""
    figure = go.Figure(
        [
            go.Bar(
                x=list(map(escape, labels)),
                y=list(values),
                name=escape(name),
                marker_color=OTHER_COLOURS[1 + index],
                hovertemplate="%{x}<br>" + escape(name) + ": %{y:.3g}<extra></extra>",
            )
            for index, (name, values) in enumerate(series.items())
        ]
    )
    if line is not None:
        figure.add_hline(line, line_dash="dash", line_color=INK, line_width=1.2)
    figure.update_yaxes(title=wrapped(measure))
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_layout(template=LOOK, height=340, bargap=0.3, showlegend=len(series) > 1)


def lines_by_position(
    lines: Mapping[str, Float[np.ndarray, "position"]], positions: Sequence[int], axes: tuple[str, str],
    even: float | None = None,
) -> go.Figure:  # fmt: skip
    """A line for each quantity along the sequence; a dashed one for what evenness would be."""
    figure = go.Figure(
        [
            go.Scatter(
                x=list(positions),
                y=values.astype("float32"),
                name=escape(name),
                mode="lines+markers",
                marker_size=5,
                line={"color": (BLUE, VERMILION, *OTHER_COLOURS[2:])[index % 7], "width": 1.8},
                hovertemplate=escape(name) + "<br>position %{x}: %{y:.3f}<extra></extra>",
            )
            for index, (name, values) in enumerate(lines.items())
        ]
    )
    if even is not None:
        figure.add_hline(even, line_dash="dash", line_color=INK, line_width=1.2)
    figure.update_xaxes(title=escape(axes[0]))
    figure.update_yaxes(title=wrapped(axes[1]), rangemode="tozero")
    return figure.update_layout(template=LOOK, height=360)
