"""A circuit as a drawing: which part passes on to which, and through which of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from algoscope.discovery.circuits.graph import LETTERS, Edge
from algoscope.figures.look import BLUE, GREEN, PINK, VERMILION
from algoscope.figures.wiring import HEIGHT, Box, Point, Wiring, port, wiring
from algoscope.model.component import Component, Kind

WIDEST, THINNEST = 9.0, 1.2
ARROW = 9.0
NUMBERED = 0.05
"""From this worth on, an edge has its number beside it, if there is room."""
COLOURS = {Kind.POSITION: PINK, Kind.HEAD: BLUE, Kind.MLP: VERMILION}
"""Of what writes; any other embedding is green."""
# Canvas and CanvasText are white and black, or the reverse where the reader prefers a dark page. Within a
# page, `svg:root` is nothing, and the page's own colours hold.
STYLE = """
svg:root { color-scheme: light dark; color: CanvasText; background: Canvas; }
.circuit { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.circuit text { fill: currentColor; text-anchor: middle; }
.circuit .part rect { fill: none; stroke: currentColor; stroke-width: 1.3; }
.circuit .name { font-weight: 600; }
.circuit .input { font-size: 12px; }
.circuit .idle { opacity: .35; }
.circuit .edge path { fill: none; stroke-opacity: .75; }
.circuit .worth { font-size: 12px; paint-order: stroke; stroke: white; stroke: Canvas; stroke-width: 4px;
  stroke-linejoin: round; }
"""


@dataclass(frozen=True)
class Drawing:
    """A figure that is its own SVG: it needs no script, and nothing from elsewhere."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def circuit_drawing(worth: Mapping[Edge, float], parts: Iterable[Component]) -> Drawing:
    """All of these edges, wide by what each is worth (1 is all), between boxes for the parts.

    Parts that no edge touches are faint. An edge at several places is drawn once, as wide as its best place.
    Where no edge says through which input a head reads, heads show no inputs.
    """
    pooled: dict[Edge, float] = {}
    for edge, value in worth.items():
        anywhere = replace(edge, place="")
        pooled[anywhere] = max(value, pooled.get(anywhere, value))
    ends = {part for edge in pooled for part in (edge.sender, edge.receiver)}
    placed = wiring(pooled, {*parts, *ends})
    lines = [*_edges(pooled, worth, placed), *_parts(pooled, placed), *_numbers(pooled, placed)]
    told = "; ".join(f"{edge}: {value:.0%}" for edge, value in _strongest_last(worth)[::-1])
    return Drawing(_svg(lines, placed, f"A circuit of {len(worth)} edges. {told}"))


def _svg(lines: Sequence[str], placed: Wiring, told: str) -> str:
    """A narrow page shrinks it by a fifth at most; then it scrolls."""
    xs = [side for box in placed.boxes.values() for side in (box.left, box.right)]
    xs += [x for route in placed.routes.values() for x, _ in route]
    left, width = min(xs) - 14, max(xs) - min(xs) + 28
    height = max(box.bottom for box in placed.boxes.values()) + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="circuit" role="img" aria-label="{escape(told)}" '
        f'viewBox="{left:.0f} -4 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" style="max-width: 100%; min-width: {0.8 * width:.0f}px; height: auto">'
    )
    return "\n".join((head, f"<style>{STYLE}</style>", *lines, "</svg>", ""))


def _strongest_last(worth: Mapping[Edge, float]) -> list[tuple[Edge, float]]:
    return sorted(worth.items(), key=lambda each: each[1])


def _edges(pooled: Mapping[Edge, float], worth: Mapping[Edge, float], placed: Wiring) -> list[str]:
    """Each edge as a line with an arrowhead; a pointer on it is told what it is."""
    lines = []
    for edge, value in _strongest_last(pooled):
        colour = COLOURS.get(edge.sender.kind, GREEN)
        wide = THINNEST + (WIDEST - THINNEST) * min(max(value, 0.0), 1.0)
        told = "; ".join(f"{each}: {by:.1%}" for each, by in worth.items() if replace(each, place="") == edge)
        x, y = placed.routes[edge][-1]
        half, base = 3 + wide / 2, y + ARROW
        lines.append(
            f'<g class="edge"><title>{escape(told)}</title>'
            f'<path d="{_path(placed.routes[edge])}" stroke="{colour}" stroke-width="{wide:.1f}"/>'
            f'<polygon points="{x:.1f},{y:.1f} {x - half:.1f},{base:.1f} {x + half:.1f},{base:.1f}" '
            f'fill="{colour}"/></g>'
        )
    return lines


def _path(route: Sequence[Point]) -> str:
    """Up along the trunk, and into the input from below."""
    *others, (x, y) = route
    points = [*others, (x, y + ARROW - 1)]
    text = "M{:.1f},{:.1f}".format(*points[0])
    for (x0, y0), (x1, y1) in zip(points[::2], points[1::2], strict=True):
        middle = (y0 + y1) / 2
        text += f" L{x0:.1f},{y0:.1f} C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
    return text


def _parts(pooled: Mapping[Edge, float], placed: Wiring) -> list[str]:
    read = {(edge.receiver, edge.input) for edge in pooled}
    used = {part for edge in pooled for part in (edge.sender, edge.receiver)}
    apart = any(letter in LETTERS for _, letter in read)
    lines = []
    for part, box in placed.boxes.items():
        name_at = box.top + (17 if part.head and apart else HEIGHT / 2 + 4.5)
        inputs = "".join(
            f'<text class="{"input" if (part, letter) in read else "input idle"}" '
            f'x="{port(box, letter):.1f}" y="{box.bottom - 6:.1f}">{letter}</text>'
            for letter in LETTERS
            if part.head and apart
        )
        lines.append(
            f'<g class="{"part" if part in used else "part idle"}">'
            f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.0f}" height="{HEIGHT:.0f}"'
            f' rx="6"/><text class="name" x="{box.x:.1f}" y="{name_at:.1f}">{escape(str(part))}</text>'
            f"{inputs}</g>"
        )
    return lines


def _numbers(pooled: Mapping[Edge, float], placed: Wiring) -> list[str]:
    """What edges are worth, in per cent: a decimal number would be read as the name of a head."""
    lines: list[str] = []
    taken: list[Box] = []
    for edge, value in _strongest_last(pooled)[::-1]:
        text = f"{value:.0%}"
        spots = [_spot(placed.routes[edge], t / 20, 8.0 * len(text) + 4) for t in (11, 9, 13, 7, 15, 5, 17)]
        free = [spot for spot in spots if not any(_overlap(spot, other) for other in taken)]
        if value >= NUMBERED and free:
            taken.append(free[0])
            lines.append(f'<text class="worth" x="{free[0].x:.1f}" y="{free[0].top + 12:.1f}">{text}</text>')
    return lines


def _spot(route: Sequence[Point], t: float, width: float) -> Box:
    """A place for a number on the branch of an edge, that no other edge shares."""
    (x0, y0), (x1, y1) = route[-2], route[-1]
    bend = 3 * t * t - 2 * t**3
    up = 1.5 * t * (1 - t) + t**3
    return Box(x0 + bend * (x1 - x0), y0 + up * (y1 - y0) - 8, width)


def _overlap(one: Box, other: Box) -> bool:
    return abs(one.x - other.x) < (one.width + other.width) / 2 and abs(one.top - other.top) < 14
