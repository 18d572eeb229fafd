"""The one look of all figures: a template, and a colour for each kind of input, the same everywhere."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

import plotly.graph_objects as go

# Okabe and Ito's palette, which stays distinct with every common kind of colour blindness.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, BLACK = "#56B4E9", "#D55E00", "#000000"
INK, FAINT = "#24292f", "#e4e7eb"
IMPOSSIBLE = "#dfe3e8"
"""Of cells that cannot have a value: white is a value, the lowest or the middle one."""

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
            "title_standoff": 8,
        },
        "yaxis": {
            "gridcolor": FAINT,
            "zerolinecolor": "#b0b7c0",
            "linecolor": "#b0b7c0",
            "ticks": "",
            "automargin": True,
            # With a distance given, the margin grows to hold the title; else it lies on long labels.
            "title_standoff": 10,
        },
        "hoverlabel": {"font_size": 12},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "itemsizing": "constant"},
    }
)


KEY = 70
"""Pixels that it takes above the panels."""
PANEL_TITLE = 22
"""Pixels of a line over each panel."""


def coloured(figure: go.Figure, measure: str, **scale: object) -> go.Figure:
    """The figure with a key of its colours above the panels: what they measure, and a bar with numbers.

    Beside the panels, a bar would take a third of a narrow page, and its title would be as long as it is.
    """
    bar = {
        "orientation": "h", "len": 200, "lenmode": "pixels", "thickness": 10, "x": 0, "xanchor": "left",
        "xpad": 0, "yref": "container", "y": 1, "yanchor": "top", "ypad": 26, "nticks": 5,
    }  # fmt: skip
    title = {"text": escape(measure), "font_size": 13, "x": 0, "xref": "paper", "y": 1, "yanchor": "top"}
    # Subplots' titles are annotations.
    above = KEY + (PANEL_TITLE if figure.layout.annotations else 0)
    figure.update_annotations(font_size=13)
    return figure.update_layout(
        coloraxis={"colorbar": bar, **scale}, title=title | {"pad": {"t": 6}}, margin_t=above
    )


def wrapped(text: str, width: int = 24) -> str:
    """The text in lines of at most so many letters: a title beside an axis must not be longer than it.

    >>> wrapped("rise of the loss, in even guesses", 20)
    'rise of the loss, in<br>even guesses'
    """
    # A token's name is left as it is, spaces and all.
    lines = textwrap.wrap(text, width, break_long_words=False) if len(text) > width else [text]
    return "<br>".join(map(escape, lines))


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour for each group: the one it has in every figure, or the next of those that are left."""
    known = {name: GROUP_COLOURS[name] for name in groups if name in GROUP_COLOURS}
    left = cycle(colour for colour in OTHER_COLOURS if colour not in known.values())
    return {name: known.get(name) or next(left) for name in groups}


def faded(colour: str, opacity: float) -> str:
    """The colour, let through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
