"""Numbers with what they may be, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go

from algoscope.figures.look import BLUE, INK, LOOK


def intervals(
    measured: Mapping[str, tuple[float, float, float]], measure: str, line: float | None = None
) -> go.Figure:
    """A dot for each number, with a bar from the least to the most that it may be: `(least, number, most)`.

    The axis begins at zero; a dashed line stands where it helps to compare.
    """
    numbers = [number for _, number, _ in measured.values()]
    said = "%{y}<br>%{x:,.3~g} (%{customdata[0]:,.3~g} to %{customdata[1]:,.3~g})<extra></extra>"
    figure = go.Figure(
        go.Scatter(
            x=numbers,
            y=list(map(escape, measured)),
            mode="markers",
            cliponaxis=False,
            marker={"color": BLUE, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [most - number for _, number, most in measured.values()],
                "arrayminus": [number - least for least, number, _ in measured.values()],
                "color": BLUE,
                "thickness": 1.6,
            },
            customdata=[(least, most) for least, _, most in measured.values()],
            hovertemplate=said,
        )
    )
    if line is not None:
        figure.add_vline(line, line_dash="dash", line_color=INK, line_width=1.2)
    reach = 1.08 * max([most for _, _, most in measured.values()] + [line or 0.0])
    figure.update_xaxes(title=escape(measure), range=[0, reach or 1.0])
    # Unseen ticks: a dot at zero would lie on the name.
    figure.update_yaxes(
        type="category", autorange="reversed", automargin=True, ticks="outside", ticklen=8, tickcolor="white"
    )
    return figure.update_layout(template=LOOK, height=110 + 34 * len(measured), margin_t=12)
