"""Contributions against a share, a point for each example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from plotly.subplots import make_subplots

from algoscope.figures.look import INK, LOOK, group_colours, wrapped


def against_share(
    panels: Mapping[str, Float[np.ndarray, "row"]],
    share: Float[np.ndarray, "row"],
    groups: Mapping[str, Bool[np.ndarray, "row"]],
    axes: tuple[str, str],
) -> go.Figure:
    """A panel for each quantity, all on one axis; a dotted line marks one half."""
    figure = make_subplots(
        rows=1,
        cols=len(panels),
        shared_yaxes="all",
        subplot_titles=list(map(escape, panels)),
        horizontal_spacing=0.04,
    )
    for index, values in enumerate(panels.values()):
        for point in _points(share, values, groups, legend=index == 0):
            figure.add_trace(point, row=1, col=1 + index)
    figure.update_xaxes(title=wrapped(axes[0], 20), range=[-0.03, 1.03])
    figure.update_yaxes(title=wrapped(axes[1]), col=1)
    figure.add_vline(0.5, line_dash="dot", line_color=INK, line_width=1)
    legend = {"itemsizing": "constant", "y": -0.3, "yanchor": "top"}
    return figure.update_layout(template=LOOK, height=450, legend=legend, margin_b=116)


def neurons_against_share(
    values: Float[np.ndarray, "neuron row"],
    share: Float[np.ndarray, "row"],
    groups: Mapping[str, Bool[np.ndarray, "row"]],
    titles: Sequence[str],
    axes: tuple[str, str],
) -> go.Figure:
    """One neuron at a time, with a slider that goes from neuron to neuron in the order given."""
    figure = go.Figure(_points(share, values[0], groups, legend=True))
    steps = [
        {
            "label": str(rank + 1),
            "method": "update",
            "args": [
                {"y": [_rounded(neuron[mask]) for mask in groups.values()]},
                {"title.text": escape(title)},
            ],
        }
        for rank, (neuron, title) in enumerate(zip(values, titles, strict=True))
    ]
    slider = {"steps": steps, "currentvalue": {"prefix": "rank "}, "pad": {"t": 62}, "ticklen": 0}
    figure.update_xaxes(title=wrapped(axes[0], 40), range=[-0.03, 1.03])
    figure.update_yaxes(title=wrapped(axes[1]))
    figure.add_vline(0.5, line_dash="dot", line_color=INK, line_width=1)
    figure.update_layout(template=LOOK, height=520, sliders=[slider], margin={"b": 130, "t": 96})
    title = {"text": escape(titles[0]), "font_size": 14, "x": 0, "xref": "paper", "y": 0.97}
    return figure.update_layout(title=title)


def _points(
    share: Float[np.ndarray, "row"],
    values: Float[np.ndarray, "row"],
    groups: Mapping[str, Bool[np.ndarray, "row"]],
    legend: bool,
) -> list[go.Scatter]:
    colours = group_colours(list(groups))
    return [
        go.Scatter(
            x=share[mask].astype("float32"),
            y=values[mask].astype("float32"),
            mode="markers",
            name=escape(name),
            legendgroup=name,
            showlegend=legend,
            marker={"color": colours[name], "size": 4.5, "opacity": 0.5},
            hovertemplate=escape(name) + "<br>share %{x:.2f}: %{y:.2f}<extra></extra>",
        )
        for name, mask in groups.items()
    ]


def _rounded(values: Float[np.ndarray, "row"]) -> list[float]:
    """Plain numbers as short as the eye needs: a slider's steps aren't packed as binary."""
    return [round(value, 3) for value in values.tolist()]
