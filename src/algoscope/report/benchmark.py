"""What a benchmark of methods gave, for a terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from algoscope.discovery.circuits.benchmark import Summary
from algoscope.discovery.circuits.judged import Judged


def benchmark_table(summaries: Sequence[Summary]) -> Table:
    """A method a line: first over programs that need every edge, then over those in which heads vote."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("method")
    for heading in ("heads vote", "median AUROC", "lowest", "found", "precision", "large effects", "seconds"):
        table.add_column(heading, justify="right")
    for each in summaries:
        table.add_row(
            each.method,
            "yes" if each.votes else "no",
            f"{each.auroc:.3f}",
            f"{each.lowest:.3f}",
            f"{each.found} of {each.programs}",
            f"{each.precision:.2f}",
            "" if each.large is None else f"{each.large} of {each.programs}",
            f"{each.seconds:.1f}",
        )
    return table


def benchmark_json(results: Sequence[tuple[Judged, float]], summaries: Sequence[Summary]) -> str:
    """Every method on every program, and each method over all."""
    programs = [asdict(each) | {"seconds": seconds} for each, seconds in results]
    return (
        json.dumps({"methods": [asdict(each) for each in summaries], "programs": programs}, indent=1) + "\n"
    )
