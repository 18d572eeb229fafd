"""The tasks and models that come with algoscope, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from algoscope.catalogue import Entry


def listing_table(entries: Sequence[Entry]) -> Table:
    """A line for each task, with the size and the recorded accuracy of its model."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("task", "asks", "answer", "model", "parameters", "right"):
        justify = "right" if heading in ("parameters", "right") else "left"
        table.add_column(heading, no_wrap=heading != "asks", justify=justify)
    for entry in entries:
        size = "" if entry.parameters is None else f"{entry.parameters:,}"
        right = "" if entry.accuracy is None else f"{entry.accuracy:.2%}"
        cells = (entry.task, entry.asks, entry.answer, entry.model or "", size, right)
        table.add_row(*map(Text, cells))
    return table


def listing_json(entries: Sequence[Entry]) -> str:
    return json.dumps([asdict(entry) for entry in entries], indent=1, ensure_ascii=False) + "\n"
