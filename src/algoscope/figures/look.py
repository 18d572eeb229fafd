"""The one look of all figures: a template, and a colour for each kind of input, the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

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
WEIGHTS = ((0.0, "#ffffff"), (0.25, "#a9d3ee"), (0.6, BLUE), (1.0, "#00304d"))
"""From nothing to all."""
AROUND = ((0.0, BLUE), (0.5, "#ffffff"), (1.0, VERMILION))
"""Below and above a middle."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")

LOOK = go.layout.Template(
    layout={
        "font": {"family": "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif", "size": 13},
        "font_color": INK,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 64, "r": 20, "t": 36, "b": 52},
        "xaxis": {
            "gridcolor": FAINT,
            "zerolinecolor": "#b0b7c0",
            "linecolor": "#b0b7c0",
            "ticks": "outside",
            "automargin": True,
        },
        "yaxis": {
            "gridcolor": FAINT,
            "zerolinecolor": "#b0b7c0",
            "linecolor": "#b0b7c0",
            "ticks": "",
            "automargin": True,
        },
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


def faded(colour: str, opacity: float) -> str:
    """The colour, let through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
