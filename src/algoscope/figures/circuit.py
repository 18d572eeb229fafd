"""A circuit as a diagram: components in the order in which they act, edges as wide as what they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from algoscope.discovery.edges import ANSWER, Edge
from algoscope.figures.look import BLUE, FAINT, INK, LOOK, ORANGE, VERMILION, faded

WIDEST = 11.0


def circuit_diagram(
    edges: Sequence[Edge], components: Sequence[str], roles: Mapping[str, str], gap: float
) -> go.Figure:
    """Every component, those that an edge touches in colour; `roles` names the parts that some play."""
    places = _places(components)
    largest = max((edge.effect for edge in edges), default=1.0)
    figure = go.Figure()
    for edge in sorted(edges, key=lambda edge: edge.effect):
        figure.add_trace(_line(places[edge.sender], places[edge.receiver], edge, largest, gap))
        figure.add_trace(_hover(places[edge.sender], places[edge.receiver], edge, gap))
    used = {name for edge in edges for name in (edge.sender, edge.receiver)}
    figure.add_trace(_nodes(places, used, roles))
    for name, role in roles.items():
        x, y = places[name]
        figure.add_annotation(
            x=x, y=y - 0.3, text=escape(role), showarrow=False, font={"size": 12, "color": INK},
            bgcolor="rgba(255,255,255,.8)",
        )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.6, max(x for x, _ in places.values()) + 0.6])
    lowest, highest = (bound(y for _, y in places.values()) for bound in (min, max))
    figure.update_yaxes(visible=False, range=[lowest - 0.5, highest + 0.6])
    height = 160 + int(120 * (highest - lowest + 1))
    return figure.update_layout(
        template=LOOK, height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False
    )


def _places(components: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Layers from left to right, each layer's heads above one another, its MLP after them and below."""
    layers = [_layer(name) for name in components if name != "embedding"]
    heads = Counter(_layer(name) for name in components if "." in name)
    rows = max(heads.values(), default=1)
    places = {
        "embedding": (0.0, (rows - 1) / 2),
        ANSWER: (1.4 + 2 * (max(layers, default=0) + 1), (rows - 1) / 2),
    }
    for name in components:
        if "." in name:
            places[name] = (1.2 + 2 * _layer(name), rows - 1.0 - int(name.split(".")[1]))
        elif name != "embedding":
            places[name] = (2.2 + 2 * _layer(name), -1.0)
    return places


def _layer(name: str) -> int:
    return -1 if name == "embedding" else int(name.removeprefix("MLP ").split(".")[0])


def _curve(start: tuple[float, float], end: tuple[float, float]) -> tuple[list[float], list[float]]:
    """An arc, so that lines over several layers pass above or below the components between."""
    steps = [i / 24 for i in range(25)]
    far = abs(end[0] - start[0]) > 1.3
    bend = (0.16 * (end[0] - start[0])) * (1 if start[1] + end[1] >= 1 else -1) if far else 0.0
    x = [start[0] + t * (end[0] - start[0]) for t in steps]
    y = [start[1] + t * (end[1] - start[1]) + 4 * bend * t * (1 - t) for t in steps]
    return x, y


def _line(
    start: tuple[float, float], end: tuple[float, float], edge: Edge, largest: float, gap: float
) -> go.Scatter:
    x, y = _curve(start, end)
    strength = max(edge.effect / largest, 0.0)
    line = {"width": 1 + (WIDEST - 1) * strength, "color": faded(BLUE, 0.25 + 0.5 * strength)}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")


def _hover(start: tuple[float, float], end: tuple[float, float], edge: Edge, gap: float) -> go.Scatter:
    """A number at the middle of the arc."""
    x, y = _curve(start, end)
    text = f"{edge.sender} → {edge.receiver}<br>{edge.effect:.2f} of {gap:.2f} logits<extra></extra>"
    return go.Scatter(
        x=[x[12]],
        y=[y[12]],
        mode="text",
        text=[f"{edge.effect:.1f}"],
        textfont={"size": 11, "color": "#003f66"},
        hovertemplate=text,
    )


def _nodes(places: Mapping[str, tuple[float, float]], used: set[str], roles: Mapping[str, str]) -> go.Scatter:
    colours = [
        VERMILION if name in roles and "." in name else ORANGE if name in used else FAINT for name in places
    ]
    return go.Scatter(
        x=[x for x, _ in places.values()],
        y=[y for _, y in places.values()],
        mode="markers+text",
        text=[escape(name) for name in places],
        textfont={"size": 12, "color": [INK if name in used else "#8c959f" for name in places]},
        textposition=["bottom center" if name.startswith("MLP") else "top center" for name in places],
        marker={"size": 20, "color": colours, "line": {"color": "white", "width": 2}},
        hoverinfo="skip",
        cliponaxis=False,
    )
