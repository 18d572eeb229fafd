"""Where heads look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from algoscope.figures.look import LOOK, VERMILION, WEIGHTS, coloured, wrapped


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
    figure.update_xaxes(title=wrapped("position that is read (0 is the first token)", 28), showgrid=False)
    figure.update_yaxes(title=f"mean attention from position {query}<br>({escape(over)})", rangemode="tozero")
    return figure.update_layout(template=LOOK, height=340, margin_l=84, margin_t=16, bargap=0.15)


def attention_viewer(
    patterns: Sequence[Float[np.ndarray, "head query key"]],
    heads: Sequence[str],
    tokens: Sequence[Sequence[str]],
    titles: Sequence[str],
    columns: int,
) -> go.Figure:
    """The attention of every head on one example; a menu switches between examples.

    `tokens` are what each example's positions hold, `titles` what the menu calls it. Pointing at a cell
    shows the two tokens with their positions, and the weight.
    """
    rows = -(-len(heads) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[f"head {head}" for head in heads],
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.26 / rows,
    )
    for example, (pattern, words) in enumerate(zip(patterns, tokens, strict=True)):
        # Numbered, so that equal tokens are different places on the axes.
        places = [f"{position}: {escape(word)}" for position, word in enumerate(words)]
        for index, weights in enumerate(pattern):
            panel = _pattern(weights, places, visible=example == 0)
            figure.add_trace(panel, row=1 + index // columns, col=1 + index % columns)
    figure.update_xaxes(tickangle=-90, tickfont_size=9, showgrid=False, ticks="")
    figure.update_yaxes(autorange="reversed", tickfont_size=9, showgrid=False, ticks="")
    figure.update_xaxes(title="key", row=rows)
    figure.update_yaxes(title="query", col=1)
    figure.update_layout(template=LOOK, height=160 + 380 * rows)
    coloured(figure, "attention", colorscale=WEIGHTS, cmin=0, cmax=1)
    # The menu stands below the key.
    return figure.update_layout(updatemenus=[_menu(titles, len(heads))], margin_t=140)


def _pattern(weights: Float[np.ndarray, "query key"], places: Sequence[str], visible: bool) -> go.Heatmap:
    return go.Heatmap(
        z=weights.astype("float32"),
        x=places,
        y=places,
        visible=visible,
        coloraxis="coloraxis",
        hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.3f}<extra></extra>",
    )


def _menu(titles: Sequence[str], heads: int) -> dict[str, object]:
    """Shows the traces of one example and hides the others'."""
    buttons = [
        {
            "label": escape(title),
            "method": "restyle",
            "args": [{"visible": [shown == example for shown in range(len(titles)) for _ in range(heads)]}],
        }
        for example, title in enumerate(titles)
    ]
    return {
        "buttons": buttons, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 30},
        "showactive": True, "bgcolor": "white",
    }  # fmt: skip
