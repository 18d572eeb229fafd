"""Results as plotly figures, in one look. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from plotly.subplots import make_subplots

from algoscope.analysis.attribution import Histograms

# Okabe and Ito's palette, which stays distinct with every common kind of colour blindness.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, BLACK = "#56B4E9", "#D55E00", "#000000"
INK, FAINT = "#24292f", "#e4e7eb"

GROUP_COLOURS: Mapping[str, str] = {
    "balanced": BLUE,
    "only total elevation": ORANGE,
    "only negative": GREEN,
    "both failures": PINK,
}
OTHER_COLOURS = (VERMILION, BLUE, GREEN, ORANGE, PINK, SKY, BLACK)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")

LOOK = go.layout.Template(
    layout={
        "font": {"family": "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif", "size": 13},
        "font_color": INK,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 64, "r": 20, "t": 36, "b": 52},
        "xaxis": {"gridcolor": FAINT, "zerolinecolor": "#b0b7c0", "linecolor": "#b0b7c0", "ticks": "outside"},
        "yaxis": {"gridcolor": FAINT, "zerolinecolor": "#b0b7c0", "linecolor": "#b0b7c0", "ticks": ""},
        "hoverlabel": {"font_size": 12},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "itemsizing": "constant"},
    }
)


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour for each group: the one it has in every figure, or the next of the palette."""
    return {
        name: GROUP_COLOURS.get(name, OTHER_COLOURS[index % len(OTHER_COLOURS)])
        for index, name in enumerate(groups)
    }


def error_bars(wrong: Mapping[str, float], counts: Mapping[str, int]) -> go.Figure:
    """The share of wrong answers in each group, as bars; groups without an example are not in the input."""
    colours = group_colours(list(wrong))
    figure = go.Figure(
        go.Bar(
            x=list(wrong.values()),
            y=[f"{escape(name)} ({counts[name]:,})" for name in wrong],
            orientation="h",
            marker_color=[colours[name] for name in wrong],
            texttemplate="%{x:.2%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}<br>wrong: %{x:.3%}<extra></extra>",
        )
    )
    # At least a hundredth wide, so that one wrong answer in thousands doesn't look like a wall.
    reach = max(0.01, 1.15 * max(wrong.values()))
    figure.update_xaxes(title="wrong answers (share of the group)", tickformat=".2~%", range=[0, reach])
    figure.update_yaxes(autorange="reversed", automargin=True)
    height = 110 + 38 * len(wrong)
    return figure.update_layout(template=LOOK, height=height, bargap=0.35, margin_t=12, margin_r=64)


def contribution_histograms(spread: Histograms, columns: int) -> go.Figure:
    """One panel per component on one shared axis: the first beside the legend, the others in full rows."""
    cells = [(1, 1)] + [(2 + i // columns, 1 + i % columns) for i in range(len(spread.names) - 1)]
    rows = cells[-1][0]
    titles = dict(zip(cells, spread.names, strict=True))
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0.22 / rows,
        # One title for each cell that has a panel: plotly skips the empty ones.
        subplot_titles=[f"head {name}" if "." in name else name for name in titles.values()],
        specs=[
            [{} if (row + 1, col + 1) in titles else None for col in range(columns)] for row in range(rows)
        ],
    )
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    colours = group_colours(spread.groups)
    for component, (row, col) in enumerate(cells):
        for index, group in enumerate(spread.groups):
            line = _spread_line(middles, spread.shares[component, index], group, colours[group])
            figure.add_trace(line.update(showlegend=component == 0), row=row, col=col)
    for col in range(1, columns + 1):
        last = max((row for row, c in cells if c == col), default=None)
        if last:
            title = f"contribution towards<br>{escape(spread.towards)} (logits)"
            figure.update_xaxes(title=title, showticklabels=True, row=last, col=col)
    figure.update_xaxes(range=[spread.edges[0], spread.edges[-1]], title_font_size=12)
    figure.update_yaxes(showticklabels=False, rangemode="tozero", showgrid=False)
    legend = {"orientation": "v", "x": 1 / columns + 0.04, "y": 1.0, "xanchor": "left", "yanchor": "top"}
    return figure.update_layout(
        template=LOOK, height=110 + 130 * rows, legend=legend, margin_l=20, margin_b=64
    )


def _spread_line(
    middles: Float[np.ndarray, "bin"], shares: Float[np.ndarray, "bin"], group: str, colour: str
) -> go.Scatter:
    return go.Scatter(
        x=middles.astype("float32"),
        y=shares.astype("float32"),
        name=escape(group),
        legendgroup=group,
        mode="lines",
        line={"color": colour, "width": 1.6, "shape": "hvh"},
        fill="tozeroy",
        fillcolor=_faded(colour, 0.22),
        hovertemplate="%{y:.1%} of " + escape(group) + " near %{x:.1f}<extra></extra>",
    )


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
    figure.update_xaxes(title=escape(labels[0]))
    figure.update_yaxes(title=escape(labels[1]))
    return figure.update_layout(template=LOOK, height=480, legend={"itemsizing": "constant"})


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
    figure.update_xaxes(title="position that is read (0 is the first token)", dtick=2, showgrid=False)
    figure.update_yaxes(title=f"mean attention from position {query}<br>({escape(over)})", rangemode="tozero")
    return figure.update_layout(template=LOOK, height=340, margin_l=84, margin_t=16, bargap=0.15)


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
