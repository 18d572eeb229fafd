from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from algoscope.explanation.words import Sentence
from algoscope.figures.bars import grouped_bars
from algoscope.figures.circuit import Drawing
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.pair_bars import bars_above
from algoscope.questions.study import Illustration, Section, ShownInput, Table
from algoscope.report.page import plain, render_page, write_page
from algoscope.tasks.display import Shown

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tags(HTMLParser):
    """The elements of a page and its text, as a browser's parser splits them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_nothing_from_a_checkpoint_or_a_task_becomes_an_element(evil_study):
    tags = Tags(render_page(evil_study)).found
    assert [attributes for tag, attributes in tags if tag == "script"] == [
        {},
        {"id": "figures-data", "type": "application/json"},
        {},
    ]
    assert not [attributes for tag, attributes in tags if tag == "img" or "onerror" in attributes]


def test_the_page_names_no_file_or_address_to_load(evil_study):
    linked = [
        attributes[name]
        for _, attributes in Tags(render_page(evil_study)).found
        for name in ("src", "href")
        if attributes.get(name)
    ]
    assert linked
    assert all(address.startswith(("#", "data:")) for address in linked)


def test_each_finding_is_shown_with_its_verdict_and_why_it_has_no_value(evil_study):
    text = Tags(render_page(evil_study)).text
    assert "1 of 2 claims hold" in text
    for shown in ("✓ holds", "✗ refuted", "– open", "Nobody knows.", "there is nothing", "1,234 examples"):
        assert shown in text


def test_the_page_stays_below_8_megabytes(evil_study, tmp_path):
    write_page(evil_study, tmp_path / "deep/report.html")
    assert (tmp_path / "deep/report.html").stat().st_size < 8e6


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        (0.1 + 0.2, "0.3"),
        (1e-5, "1e-05"),
        ({"a": [1]}, '{"a": [1]}'),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_settings_are_shown_as_a_reader_wants_them(value, shown):
    assert plain(value) == shown


def opened(page: Path, profile: Path) -> tuple[str, str]:
    """The page after its scripts have run, and what the browser said to the console."""
    switches = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --virtual-time-budget=8000 --enable-logging=stderr"
    )
    command = [CHROMIUM, *switches.split(), f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    return run.stdout, "\n".join(line for line in run.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")
def test_in_a_browser_a_study_opens_offline_and_draws_every_figure(untrained_study, tmp_path):
    write_page(untrained_study, tmp_path / "report.html")
    shown, console = opened(tmp_path / "report.html", tmp_path / "profile")
    figures = [
        each.figure
        for section in untrained_study.sections
        for each in section.illustrations + section.overview
    ]
    drawings = [figure for figure in figures if isinstance(figure, Drawing)]
    assert console == ""
    assert shown.count('class="plot-container') == len(figures) - len(drawings) > 0
    assert shown.count('class="circuit"') + shown.count('class="explanation"') == len(drawings) > 0


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")
def test_in_a_browser_no_text_breaks_out_of_the_page(evil_study, tmp_path):
    page = render_page(evil_study)
    probe = (
        "<script>console.error('seen'); document.body.dataset.broken = String(window.broken)</script></body>"
    )
    (tmp_path / "report.html").write_text(page.replace("</body>", probe), encoding="utf-8")
    shown, console = opened(tmp_path / "report.html", tmp_path / "profile")
    assert "seen" in console
    assert 'data-broken="undefined"' in shown
    assert 'class="plot-container' in shown


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")
def test_in_a_browser_a_narrow_page_does_not_scroll_sideways(wide_study, tmp_path):
    """In a frame of 390 pixels, since a window of its own cannot be so narrow."""
    write_page(wide_study, tmp_path / "report.html")
    probe = (
        "<script>setTimeout(() => parent.postMessage(["
        "document.documentElement.scrollWidth, document.documentElement.clientWidth,"
        "document.querySelectorAll('.wide').length,"
        " ...[...document.querySelectorAll('.figure:not(.wide)')].map(each => each.offsetWidth)], '*'), 500)"
        "</script></body>"
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8").replace("</body>", probe)
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        '<iframe src="report.html" style="border: 0; width: 390px; height: 800px"></iframe>'
        "<script>onmessage = told => document.body.dataset.told = told.data.join()</script>"
    )
    shown, _ = opened(frame, tmp_path / "profile")
    (told,) = re.findall(r'data-told="([\d,]+)"', shown)
    page_width, window, wide, *narrow = map(int, told.split(","))
    assert page_width == window <= 390
    # A map and a figure of two panels scroll in boxes of their own; bars are drawn as narrow as the page.
    assert (wide, len(narrow)) == (2, 1)
    assert max(narrow) < 390


@pytest.fixture
def wide_study(evil_study):
    """A figure of each kind, and a table of many columns with a word that cannot be broken."""
    figures = (
        bars_above(["p", "q"], {"said": np.ones(2), "done": np.ones(2)}, "pair"),
        heatmaps(
            {"a": np.eye(12), "b": np.eye(12)}, list("abcdefghijkl"), list("abcdefghijkl"), ("x", "y"), "m"
        ),
        grouped_bars({"one": [1.0], "two": [2.0]}, ["a name that is rather long"], "logits"),
    )
    table = Table(tuple(f"column {n}" for n in range(12)), (("unbreakable" * 4, *range(11)),), "A caption.")
    section = Section(
        "s", "q?", "t", illustrations=tuple(Illustration(each, "") for each in figures), tables=(table,)
    )
    return replace(evil_study, sections=(section,))


def test_inputs_are_shown_with_marks_and_tables_with_rounded_numbers(evil_study):
    section = Section(
        "s",
        "q?",
        "t",
        tables=(Table(("head", "loss"), (("<b>", 0.123456), ("0.1", None)), "A caption."),),
        inputs=(ShownInput(Shown((("<i>", True), ("7", False))), "P = 0.5"),),
    )
    tags = Tags(render_page(replace(evil_study, sections=(section,))))
    for text in ("0.1235", "A caption.", "<b>", "<i> 7", "P = 0.5", "–"):
        assert text in tags.text
    assert not {"b", "i"} & {tag for tag, _ in tags.found}


def test_sentences_stand_on_top_and_lead_to_the_rows_that_they_rest_on(evil_study):
    rows = (("1", "<i>"), ("2", "y"))
    section = Section(
        "told",
        "How?",
        "t",
        tables=(Table(("", "part"), rows, "A caption."), Table(("a",), (("z",),), "Another.")),
        words=(Sentence("<i>It</i> carries x.", (0, 1)), Sentence("The rest is idle.")),
    )
    page = render_page(replace(evil_study, sections=(section, *evil_study.sections)))
    tags = Tags(page)
    assert "i" not in {tag for tag, _ in tags.found}
    assert tags.text.index("<i>It</i> carries x.") < tags.text.index("claims hold")
    linked = [attributes["href"] for tag, attributes in tags.found if tag == "a"]
    assert linked[:2] == ["#told-1", "#told-2"]
    assert [attributes["id"] for tag, attributes in tags.found if tag == "tr" and "id" in attributes] == [
        "told-1",
        "told-2",
    ]
