"""How a head looks, beside the way of looking that fits it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import IMPOSSIBLE, LOOK, WEIGHTS, coloured, wrapped

Pair = tuple[Float[np.ndarray, "query key"], Float[np.ndarray, "query key"]]
"""A head's mean attention, and what a pattern would give."""
LEAST_HEIGHT, MOST_HEIGHT, QUERY = 70, 320, 16
"""Pixels of a panel, and of a query in it."""


def attention_beside(
    pairs: Mapping[tuple[str, str], Pair], queries: Sequence[Sequence[int]], keys: Sequence[int]
) -> go.Figure:
    """A row for each head: mean attention on the left, the best pattern on the right, all on one scale.

    The pairs' names are what stands over the left and over the right; `queries` are each pair's places.
    NaN is grey.
    """
    heights = [min(max(QUERY * len(each), LEAST_HEIGHT), MOST_HEIGHT) for each in queries]
    gap = 62
    total = sum(heights) + gap * (len(heights) - 1)
    figure = make_subplots(
        rows=len(pairs),
        cols=2,
        subplot_titles=[wrapped(title, 30) for titles in pairs for title in titles],
        row_heights=heights,
        vertical_spacing=gap / total if len(pairs) > 1 else 0,
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for row, (pair, places) in enumerate(zip(pairs.values(), queries, strict=True), start=1):
        for column, weights in enumerate(pair, start=1):
            figure.add_trace(_panel(weights, places, keys), row=row, col=column)
    figure.update_xaxes(type="category", showgrid=False, ticks="", tickfont_size=10, tickangle=0, nticks=12)
    figure.update_yaxes(
        autorange="reversed", type="category", showgrid=False, ticks="", tickfont_size=10, nticks=12
    )
    figure.update_yaxes(title="query", col=1)
    figure.update_xaxes(title="key", row=len(pairs))
    figure.update_layout(template=LOOK, height=total + 170, plot_bgcolor=IMPOSSIBLE)
    # Room for titles of two lines.
    return coloured(figure, "attention", colorscale=WEIGHTS, cmin=0).update_layout(margin_t=116)


def _panel(weights: Float[np.ndarray, "query key"], places: Sequence[int], keys: Sequence[int]) -> go.Heatmap:
    return go.Heatmap(
        z=weights.astype("float32"),
        x=list(map(str, keys)),
        y=list(map(str, places)),
        coloraxis="coloraxis",
        hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.3f}<extra></extra>",
    )
