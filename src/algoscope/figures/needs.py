"""What it costs to take something from a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from algoscope.figures.look import INK, LOOK, OTHER_COLOURS, wrapped

Span = tuple[float, float, float]
"""A value, and the lower and upper end of its interval."""


def bars_with_intervals(
    series: Mapping[str, Sequence[Span]], labels: Sequence[str], axes: tuple[str, str], line: float
) -> go.Figure:
    """A bar with its interval for each label and series, side by side; a dashed line at a limit.

    `axes` says what the labels are, and what is measured.
    """
    figure = go.Figure()
    for index, (name, spans) in enumerate(series.items()):
        colour = OTHER_COLOURS[1 + index % (len(OTHER_COLOURS) - 1)]
        figure.add_trace(
            go.Bar(
                x=list(map(escape, labels)),
                y=[value for value, _, _ in spans],
                error_y={
                    "array": [high - value for value, _, high in spans],
                    "arrayminus": [value - low for value, low, _ in spans],
                    "thickness": 1.2,
                    "width": 3,
                    "color": INK,
                },
                name=escape(name),
                marker_color=colour,
                customdata=[(low, high) for _, low, high in spans],
                hovertemplate=f"{escape(axes[0])} %{{x}}<br>{escape(name)}: %{{y:.3~g}} "
                "(%{customdata[0]:.3~g} to %{customdata[1]:.3~g})<extra></extra>",
            )
        )
    figure.add_hline(line, line_dash="dash", line_color=INK, line_width=1.2)
    figure.update_xaxes(title=escape(axes[0]), type="category", showgrid=False)
    figure.update_yaxes(title=wrapped(axes[1]))
    return figure.update_layout(template=LOOK, height=360, bargap=0.3, showlegend=len(series) > 1)
