"""A study as one HTML page that needs nothing else: it opens offline and loads nothing."""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from algoscope import atomic
from algoscope.figures.circuit import Drawing
from algoscope.questions.study import Study


def write_page(study: Study, path: Path) -> None:
    """Write the study's page. Raises UserError if the file can't be written."""
    atomic.write(path, render_page(study))


def render_page(study: Study) -> str:
    """The page's HTML. Whatever a checkpoint, a task or a file contributed is escaped."""
    environment = Environment(
        loader=PackageLoader("algoscope", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["cell"] = cell
    environment.filters["sentence"] = sentence
    environment.tests["wide"] = wide
    environment.tests["drawing"] = lambda figure: isinstance(figure, Drawing)
    within = [illustration for section in study.sections for illustration in section.illustrations]
    plotted = [each.figure for each in (*study.overview, *within) if isinstance(each.figure, Figure)]
    # `tojson` escapes < and > for a script element, and to_json turns NaN into null.
    figures = [json.loads(figure.to_json()) for figure in plotted]
    template = environment.get_template("page.html.jinja")
    return template.render(study=study, figures=figures, plotly=Markup(get_plotlyjs()))


def plain(value: object) -> str:
    """A setting as a reader wants to see it."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def sentence(text: str) -> str:
    """The text as a sentence of its own: a capital letter in front, a full stop behind."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def wide(figure: Figure) -> bool:
    """Whether a narrow page would squeeze it (panels, cells, a slider), so that it scrolls instead."""
    panels = any(trace.type == "heatmap" or trace.xaxis not in (None, "x") for trace in figure.data)
    return panels or bool(figure.layout.sliders)


def cell(value: str | float | int | None) -> str:
    """What stands in a table: numbers rounded, a dash for what is missing."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
    return str(value)
