"""What `algoscope check` found out about a file, for a terminal and as JSON."""

from __future__ import annotations

import json

from rich.table import Table
from rich.text import Text

from algoscope.checkpoints.check import Score, assumptions, doubt
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.errors import printable

STATED = "the file states it"


def checked_table(found: Checkpoint) -> Table:
    """A line for each setting, and for what else was concluded: what it is, and from what."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "from"):
        table.add_column(heading, no_wrap=heading == "setting")
    for name, value, source, assumed in _rows(found):
        cells = (name, str(value), f"{source} (not certain)" if assumed else source)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def checked_lines(found: Checkpoint, scored: Score | None) -> list[str]:
    """What the model is, above the table's end: size, and how well it does its task."""
    lines = [f"{found.name}: {found.format}, {_parameters(found):,} parameters"]
    if scored is None:
        lines.append("no task: give --task to see whether it does it")
    else:
        lines.append(
            f"{scored.task}: {scored.accuracy:.2%} of {scored.answers:,} answers are right; one constant "
            f"answer gets {scored.chance:.2%}"
        )
        warning = doubt(found, scored)
        lines += [f"warning: {warning}"] if warning else []
    return [printable(line) for line in lines]


def checked_json(found: Checkpoint, scored: Score | None) -> str:
    record = {
        "name": found.name,
        "format": found.format,
        "parameters": _parameters(found),
        "config": found.model.config.to_dict(),
        "inferred": [
            {"setting": each.setting, "value": each.value, "from": each.source, "assumed": each.assumed}
            for each in found.inferred
        ],
        "assumed": [each.setting for each in assumptions(found)],
        "task": scored and scored.task,
        "right": scored and scored.right,
        "answers": scored and scored.answers,
        "accuracy": scored and scored.accuracy,
        "chance": scored and scored.chance,
        "warning": scored and doubt(found, scored),
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _rows(found: Checkpoint) -> list[tuple[str, object, str, bool]]:
    inferred = {each.setting: each for each in found.inferred}
    settings = [
        (name, value, inferred[name].source, inferred[name].assumed)
        if name in inferred
        else (name, value, STATED, False)
        for name, value in found.model.config.to_dict().items()
    ]
    rest = [
        (each.setting, each.value, each.source, each.assumed)
        for each in found.inferred
        if each.setting not in found.model.config.to_dict()
    ]
    return settings + rest


def _parameters(found: Checkpoint) -> int:
    return sum(value.numel() for value in found.model.parameters())
