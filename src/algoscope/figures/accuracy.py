"""Right and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go

from algoscope.figures.look import LOOK, VERMILION


def error_bars(wrong: Mapping[str, float], counts: Mapping[str, int]) -> go.Figure:
    """The share of wrong answers in each group, as bars; groups without an example are not in the input."""
    figure = go.Figure(
        go.Bar(
            x=list(wrong.values()),
            y=[f"{escape(name)} ({counts[name]:,})" for name in wrong],
            orientation="h",
            marker_color=VERMILION,
            texttemplate="%{x:.2%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}<br>wrong: %{x:.3%}<extra></extra>",
        )
    )
    # At least a hundredth wide, so that one wrong answer in thousands doesn't look like a wall.
    reach = max(0.01, 1.15 * max(wrong.values()))
    figure.update_xaxes(title="share of wrong answers", tickformat=".2~%", range=[0, reach])
    figure.update_yaxes(autorange="reversed", automargin=True)
    height = 110 + 38 * len(wrong)
    return figure.update_layout(template=LOOK, height=height, bargap=0.35, margin_t=12, margin_r=64)
