"""Tables of numbers as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import AROUND, LOOK, WEIGHTS

FEW = 130
"""Up to so many cells in a panel, each shows its number."""
CELL = 30
"""Pixels, the least height of a cell that shows its number."""


def heatmaps(
    panels: Mapping[str, Float[np.ndarray, "row column"]],
    rows: Sequence[str],
    columns: Sequence[str],
    axes: tuple[str, str],
    measure: str,
    middle: float | None = None,
) -> go.Figure:
    """Tables of one shape side by side, on one scale of colours; the panels' names are their titles.

    `axes` says what rows and columns are, `measure` what the cells are. With a `middle`, colours tell what
    lies below it from what lies above. NaN is left blank.
    """
    figure = make_subplots(
        rows=1, cols=len(panels), subplot_titles=[escape(title) for title in panels], horizontal_spacing=0.07
    )
    few = len(rows) * len(columns) <= FEW
    for index, values in enumerate(panels.values()):
        trace = go.Heatmap(
            z=values.astype("float32"),
            x=list(map(escape, columns)),
            y=list(map(escape, rows)),
            coloraxis="coloraxis",
            texttemplate="%{z:.2f}" if few else None,
            hovertemplate=f"{escape(axes[0])} %{{y}}<br>{escape(axes[1])} %{{x}}<br>"
            f"{escape(measure)} %{{z:.4~g}}<extra></extra>",
        )
        figure.add_trace(trace, row=1, col=index + 1)
    figure.update_xaxes(title=escape(axes[1]), type="category", showgrid=False, ticks="")
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False, ticks="")
    figure.update_yaxes(title=escape(axes[0]), col=1)
    height = 150 + (max(CELL * len(rows), 90) if few else min(max(14 * len(rows), 200), 560))
    colours = {"colorbar": {"title": escape(measure), "title_side": "right"}, **_scale(panels, middle)}
    return figure.update_layout(template=LOOK, height=height, coloraxis=colours, margin_t=44)


def _scale(panels: Mapping[str, Float[np.ndarray, "row column"]], middle: float | None) -> dict[str, object]:
    values = np.concatenate([panel[np.isfinite(panel)] for panel in panels.values()])
    if middle is None or not len(values):
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        # A table of nothing but zeros is white.
        return {"colorscale": WEIGHTS, "cmin": low, "cmax": high if high > low else low + 1}
    reach = float(np.abs(values - middle).max()) or 1.0
    return {"colorscale": AROUND, "cmin": middle - reach, "cmax": middle + reach}
