"""An explanation as a drawing: a column for each place, rows for each layer's heads and its MLP."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from algoscope.errors import printable
from algoscope.explanation.explanation import Carried, Explanation
from algoscope.explanation.words import told
from algoscope.figures.circuit import COLOURS, Drawing
from algoscope.model.component import Component

WIDTH, LINE, GAP = 164.0, 15.0, 10.0
"""Of a box; from line to line; between boxes. All lengths are pixels."""
TOP = 26.0
"""Room for the names of places."""
LETTERS, LINES = 24, 4
"""That fit into a box; a pointer on it is told the rest."""
COLUMNS = 5
"""That fit on a page."""
STYLE = """
svg:root { color-scheme: light dark; color: CanvasText; background: Canvas; }
.explanation { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.explanation text { fill: currentColor; }
.explanation .node rect { fill: none; stroke-width: 1.5; }
.explanation .partly rect { stroke-dasharray: 5 4; }
.explanation .name, .explanation .place { font-weight: 600; }
.explanation .place { text-anchor: middle; }
"""

Row = tuple[int, bool]
"""A layer, and whether its MLP."""


@dataclass(frozen=True)
class Box:
    """Nodes of one row and place that carry the same."""

    nodes: tuple[Carried, ...]

    @property
    def lines(self) -> list[str]:
        lines = textwrap.wrap(printable(told(self.nodes[0])), LETTERS)
        return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1][: LETTERS - 1]}…"]

    @property
    def height(self) -> float:
        return LINE * (1 + len(self.lines)) + 11

    def svg(self, x: float, y: float) -> str:
        """A drawing of its own, so that no name runs out of it."""
        names = ", ".join(str(each.node.component) for each in self.nodes)
        lines = "".join(
            f'<text x="8" y="{LINE * at + 2:.0f}">{escape(line)}</text>'
            for at, line in enumerate(self.lines, start=2)
        )
        return (
            f'<svg class="{"node" if self.nodes[0].explained else "node partly"}" x="{x:.0f}" y="{y:.0f}" '
            f'width="{WIDTH:.0f}" height="{self.height:.0f}"><title>{_listed(self.nodes)}</title>'
            f'<rect x="1" y="1" width="{WIDTH - 2:.0f}" height="{self.height - 2:.0f}" rx="6" '
            f'stroke="{COLOURS[self.nodes[0].node.component.kind]}"/>'
            f'<text class="name" x="8" y="{LINE + 2:.0f}">{names}</text>{lines}</svg>'
        )


def explanation_drawing(found: Explanation) -> Drawing:
    """What each node that matters carries; dashed where that is not all. Rows go up as the computation does,
    places stand in the order in which they are first written at. Of many those of most effect are shown."""
    places = shown_places(found)
    shown = [each for each in found.nodes if str(each.node.place) in places]
    lines = [
        f'<text class="place" x="{_left(at) + WIDTH / 2:.0f}" y="15">{_short(place)}</text>'
        for at, place in enumerate(places)
    ]
    y = TOP
    for level in sorted({row(each.node.component) for each in shown}, reverse=True):
        depths = []
        for at, place in enumerate(places):
            below = y
            for box in _boxes(found, level, place):
                lines.append(box.svg(_left(at), below))
                below += box.height + GAP
            depths.append(below)
        y = max(depths) + GAP
    return Drawing(_svg(lines, _left(len(places)), y, found))


def shown_places(found: Explanation) -> tuple[str, ...]:
    """The places that the drawing has room for."""
    worth: dict[str, float] = {}
    for each in found.nodes:
        place = str(each.node.place)
        worth[place] = max(worth.get(place, 0.0), each.importance.kl)
    most = sorted(worth, key=lambda place: worth[place], reverse=True)[:COLUMNS]
    return tuple(place for place in worth if place in most)


def row(component: Component) -> Row:
    """Where a component stands in the drawing: sorts in the order of the computation."""
    return component.layer, component.head is None


def _boxes(found: Explanation, level: Row, place: str) -> list[Box]:
    """All that stands at one place of one row, what carries the same in one box."""
    here = [
        each for each in found.nodes if (row(each.node.component), str(each.node.place)) == (level, place)
    ]
    return [Box(tuple(group)) for _, group in groupby(sorted(here, key=told), told)]


def _left(column: int) -> float:
    return column * (WIDTH + GAP)


def _short(place: str) -> str:
    shown = printable(place)
    return escape(shown if len(shown) <= LETTERS else f"{shown[: LETTERS - 1]}…")


def _listed(nodes: Sequence[Carried]) -> str:
    return escape(printable("; ".join(f"{each.node}: {told(each)}" for each in nodes)))


def _svg(lines: Sequence[str], width: float, height: float, found: Explanation) -> str:
    """As wide as it is, on a narrow page too: there it scrolls."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="explanation" role="img" '
        f'aria-label="What {len(found.nodes)} nodes carry. {_listed(found.nodes)}" '
        f'viewBox="0 0 {max(width, 1):.0f} {height:.0f}" width="{max(width, 1):.0f}" height="{height:.0f}">'
    )
    return "\n".join((head, f"<style>{STYLE}</style>", *lines, "</svg>", ""))
