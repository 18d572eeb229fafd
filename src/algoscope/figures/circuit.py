"""A circuit as a diagram: components in the order in which they act, edges as wide as what they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from algoscope.discovery.edges import Edge
from algoscope.figures.look import BLUE, FAINT, INK, LOOK, ORANGE, VERMILION, faded
from algoscope.model.component import ANSWER, EMBEDDING, Component, Kind

WIDEST = 11.0
BESIDE = {Kind.MLP: "bottom center", EMBEDDING.kind: "middle left", ANSWER.kind: "middle right"}
"""Where a name stands, so that no edge crosses it; heads' stand above them."""


def circuit_diagram(
    edges: Sequence[Edge], components: Sequence[Component], roles: Mapping[Component, str], gap: float
) -> go.Figure:
    """Every component, those that an edge touches in colour; `roles` names the parts that some play."""
    places = _places(components)
    largest = max((edge.effect for edge in edges), default=1.0)
    figure = go.Figure()
    for edge in sorted(edges, key=lambda edge: edge.effect):
        figure.add_trace(_line(places[edge.sender], places[edge.receiver], edge, largest))
        figure.add_trace(_hover(places[edge.sender], places[edge.receiver], edge, gap))
    used = {part for edge in edges for part in (edge.sender, edge.receiver)}
    figure.add_trace(_nodes(places, used, roles))
    for part, role in roles.items():
        x, y = places[part]
        figure.add_annotation(
            x=x, y=y - 0.3, text=escape(role), showarrow=False, font={"size": 12, "color": INK},
            bgcolor="rgba(255,255,255,.8)",
        )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.3, max(x for x, _ in places.values()) + 0.3])
    lowest, highest = (bound(y for _, y in places.values()) for bound in (min, max))
    figure.update_yaxes(visible=False, range=[lowest - 0.5, highest + 0.6])
    height = 160 + int(120 * (highest - lowest + 1))
    return figure.update_layout(
        template=LOOK, height=height, margin={"l": 76, "r": 60, "t": 8, "b": 8}, showlegend=False
    )


def _places(components: Sequence[Component]) -> dict[Component, tuple[float, float]]:
    """Layers from left to right, each layer's heads above one another, its MLP after them and below."""
    rows = 1 + max((part.index for part in components if part.head), default=0)
    last = max(part.layer for part in components)
    places = {EMBEDDING: (0.0, (rows - 1) / 2), ANSWER: (1.4 + 2 * (last + 1), (rows - 1) / 2)}
    for part in components:
        if part.head:
            places[part] = (1.2 + 2 * part.layer, rows - 1.0 - part.index)
        elif part.kind is Kind.MLP:
            places[part] = (2.2 + 2 * part.layer, -1.0)
    return places


def _curve(start: tuple[float, float], end: tuple[float, float]) -> tuple[list[float], list[float]]:
    """An arc, so that lines over several layers pass above or below the components between."""
    steps = [i / 24 for i in range(25)]
    far = abs(end[0] - start[0]) > 1.3
    bend = (0.16 * (end[0] - start[0])) * (1 if start[1] + end[1] >= 1 else -1) if far else 0.0
    x = [start[0] + t * (end[0] - start[0]) for t in steps]
    y = [start[1] + t * (end[1] - start[1]) + 4 * bend * t * (1 - t) for t in steps]
    return x, y


def _line(start: tuple[float, float], end: tuple[float, float], edge: Edge, largest: float) -> go.Scatter:
    x, y = _curve(start, end)
    strength = max(edge.effect / largest, 0.0)
    line = {"width": 1 + (WIDEST - 1) * strength, "color": faded(BLUE, 0.25 + 0.5 * strength)}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")


def _hover(start: tuple[float, float], end: tuple[float, float], edge: Edge, gap: float) -> go.Scatter:
    """A number on the arc, on white: on a wide arc it could not be read.

    A third of the way, since halfway to an MLP there are heads.
    """
    x, y = _curve(start, end)
    text = f"{edge.sender} → {edge.receiver}<br>{edge.effect:.2f} of {gap:.2f} logits<extra></extra>"
    return go.Scatter(
        x=[x[8]],
        y=[y[8]],
        mode="markers+text",
        marker={"size": 24, "color": "rgba(255,255,255,.8)"},
        text=[f"{edge.effect:.1f}"],
        textfont={"size": 11, "color": "#003f66"},
        hovertemplate=text,
    )


def _nodes(
    places: Mapping[Component, tuple[float, float]], used: set[Component], roles: Mapping[Component, str]
) -> go.Scatter:
    colours = [
        VERMILION if part in roles and part.head else ORANGE if part in used else FAINT for part in places
    ]
    return go.Scatter(
        x=[x for x, _ in places.values()],
        y=[y for _, y in places.values()],
        mode="markers+text",
        text=[escape(str(part)) for part in places],
        textfont={"size": 12, "color": [INK if part in used else "#8c959f" for part in places]},
        textposition=[BESIDE.get(part.kind, "top center") for part in places],
        marker={"size": 20, "color": colours, "line": {"color": "white", "width": 2}},
        hoverinfo="skip",
        cliponaxis=False,
    )
