"""An explanation as a drawing: a column for each place, a row for each layer's heads and for its MLP."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from algoscope.errors import printable
from algoscope.explanation.explanation import Carried, Explanation
from algoscope.figures.circuit import COLOURS, Drawing
from algoscope.model.component import Component

WIDTH, LINE, GAP = 164.0, 15.0, 10.0
"""Of a box; from line to line; between boxes. All lengths are pixels."""
LEFT, TOP = 64.0, 26.0
"""Room for the names of rows and of columns."""
LETTERS, LINES = 26, 4
"""That fit into a box; a pointer on it is told the rest."""
STYLE = """
svg:root { color-scheme: light dark; color: CanvasText; background: Canvas; }
.explanation { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.explanation text { fill: currentColor; }
.explanation .node rect { fill: none; stroke-width: 1.5; }
.explanation .open rect { stroke-dasharray: 5 4; }
.explanation .name, .explanation .place { font-weight: 600; }
.explanation .place { text-anchor: middle; }
.explanation .row { opacity: .7; }
"""

Row = tuple[int, bool]
"""A layer, and whether its MLP."""


@dataclass(frozen=True)
class Box:
    """Nodes of one row and place that carry the same."""

    nodes: tuple[Carried, ...]

    @property
    def told(self) -> str:
        one = self.nodes[0]
        if one.explained:
            return one.concept
        return f"at least {one.concept}" if one.factors else "not understood"

    @property
    def lines(self) -> list[str]:
        lines = textwrap.wrap(printable(self.told), LETTERS)
        return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1][: LETTERS - 1]}…"]

    @property
    def height(self) -> float:
        return LINE * (1 + len(self.lines)) + 11

    def svg(self, x: float, y: float) -> str:
        part = self.nodes[0].node.component
        names = ", ".join(str(each.node.component) for each in self.nodes)
        told = "; ".join(f"{each.node}: {self.told}" for each in self.nodes)
        lines = "".join(
            f'<text x="{x + 8:.0f}" y="{y + LINE * (at + 2) + 2:.0f}">{escape(line)}</text>'
            for at, line in enumerate(self.lines)
        )
        return (
            f'<g class="{"node" if self.nodes[0].explained else "node open"}">'
            f"<title>{escape(printable(told))}</title>"
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH:.0f}" height="{self.height:.0f}" rx="6" '
            f'stroke="{COLOURS[part.kind]}"/>'
            f'<text class="name" x="{x + 8:.0f}" y="{y + LINE + 2:.0f}">{names}</text>{lines}</g>'
        )


def explanation_drawing(found: Explanation) -> Drawing:
    """What each node that matters carries; dashed where that is not all. Rows go up as the computation does,
    places stand in the order in which they are first written at."""
    places = list(dict.fromkeys(str(each.node.place) for each in found.nodes))
    cells = {(row(one.node.component), str(one.node.place)): _boxes(found, one) for one in found.nodes}
    lines = [
        f'<text class="place" x="{_left(at) + WIDTH / 2:.0f}" y="15">{_short(place)}</text>'
        for at, place in enumerate(places)
    ]
    y = TOP
    for level in sorted({level for level, _ in cells}, reverse=True):
        columns = [cells.get((level, place), []) for place in places]
        lines.append(f'<text class="row" x="0" y="{y + LINE + 2:.0f}">{_row_name(level)}</text>')
        for at, boxes in enumerate(columns):
            below = y
            for box in boxes:
                lines.append(box.svg(_left(at), below))
                below += box.height + GAP
        y += max(sum(box.height + GAP for box in boxes) for boxes in columns) + GAP
    told = "; ".join(f"{each.node}: {Box((each,)).told}" for each in found.nodes)
    return Drawing(_svg(lines, _left(len(places)), y, f"What {len(found.nodes)} nodes carry. {told}"))


def row(component: Component) -> Row:
    """Where a component stands in the drawing: sorts in the order of the computation."""
    return component.layer, component.head is None


def _boxes(found: Explanation, like: Carried) -> list[Box]:
    """All that stands at the same place of the same row, what carries the same in one box."""
    here = [
        each
        for each in found.nodes
        if row(each.node.component) == row(like.node.component)
        and str(each.node.place) == str(like.node.place)
    ]
    key = _told
    return [Box(tuple(group)) for _, group in groupby(sorted(here, key=key), key)]


def _told(each: Carried) -> str:
    return Box((each,)).told


def _left(column: int) -> float:
    return LEFT + column * (WIDTH + GAP)


def _short(place: str) -> str:
    shown = printable(place)
    return escape(shown if len(shown) <= LETTERS else f"{shown[: LETTERS - 1]}…")


def _row_name(level: Row) -> str:
    layer, mlp = level
    return f"MLP {layer}" if mlp else f"heads {layer}"


def _svg(lines: Sequence[str], width: float, height: float, told: str) -> str:
    """As wide as it is, on a narrow page too: there it scrolls."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="explanation" role="img" '
        f'aria-label="{escape(printable(told))}" viewBox="-1 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}">'
    )
    return "\n".join((head, f"<style>{STYLE}</style>", *lines, "</svg>", ""))
