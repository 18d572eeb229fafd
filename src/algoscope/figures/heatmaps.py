"""Tables of numbers as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import AROUND, IMPOSSIBLE, LOOK, WEIGHTS, coloured, wrapped

FEW_ROWS, FEW_COLUMNS = 14, 16
"""Up to so many rows of a panel, and columns of all panels together, each cell shows its number."""
CELL, ROW = 30, 14
"""Pixels, the least height of a cell that shows its number, and of one that doesn't."""
LETTERS = 90
"""Under all panels together, with a page that is narrow."""


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
    lies below it from what lies above. NaN is grey: a cell that can have no value.
    """
    figure = make_subplots(
        rows=1,
        cols=len(panels),
        subplot_titles=[escape(title) for title in panels],
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    few = len(rows) <= FEW_ROWS and len(columns) * len(panels) <= FEW_COLUMNS
    scale = _scale(panels, middle)
    for index, values in enumerate(panels.values()):
        trace = go.Heatmap(
            z=values.astype("float32"),
            x=[wrapped(column, 12) for column in columns],
            y=list(map(escape, rows)),
            coloraxis="coloraxis",
            texttemplate=_digits(panels) if few else None,
            hovertemplate=f"{escape(axes[0])} %{{y}}<br>{escape(axes[1])} %{{x}}<br>"
            f"{escape(measure)} %{{z:.4~g}}<extra></extra>",
        )
        figure.add_trace(trace, row=1, col=index + 1)
    figure.update_xaxes(title=escape(axes[1]), type="category", showgrid=False, ticks="")
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False, ticks="")
    figure.update_yaxes(title=escape(axes[0]), col=1)
    if not few:
        figure.update_yaxes(tickfont_size=11)
        figure.update_xaxes(tickfont_size=11)
    if len(columns) * len(panels) > FEW_COLUMNS:
        # Names that stand on their side are hard to read: fewer of them, upright.
        longest = max(map(len, columns))
        figure.update_xaxes(tickangle=0, nticks=max(LETTERS // (longest + 2) // len(panels), 3))
    height = 166 + (max(CELL * len(rows), 90) if few else min(max(ROW * len(rows), 200), 590))
    figure.update_layout(template=LOOK, height=height, plot_bgcolor=IMPOSSIBLE)
    return coloured(figure, measure, **scale)


def _digits(panels: Mapping[str, Float[np.ndarray, "row column"]]) -> str:
    """How cells are written: counts as they are, the largest number with at least two digits."""
    values = np.concatenate([panel[np.isfinite(panel)] for panel in panels.values()])
    if np.array_equal(values, values.round()):
        return "%{z:.0f}"
    decimals = max(2, 1 - int(np.floor(np.log10(np.abs(values).max()))))
    return f"%{{z:.{min(decimals, 4)}f}}"


def _scale(panels: Mapping[str, Float[np.ndarray, "row column"]], middle: float | None) -> dict[str, object]:
    values = np.concatenate([panel[np.isfinite(panel)] for panel in panels.values()])
    if middle is None or not len(values):
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        # A table of nothing but zeros is white.
        return {"colorscale": WEIGHTS, "cmin": low, "cmax": high if high > low else low + 1}
    reach = float(np.abs(values - middle).max()) or 1.0
    return {"colorscale": AROUND, "cmin": middle - reach, "cmax": middle + reach}
