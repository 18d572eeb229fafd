"""An explanation for a terminal, and as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

from rich.table import Table
from rich.text import Text

from algoscope import atomic
from algoscope.discovery.effects import Interval
from algoscope.errors import printable
from algoscope.explanation.explanation import Carried, Explanation, Survival
from algoscope.explanation.places import Node
from algoscope.explanation.words import finer, percent, told, words
from algoscope.figures.explanation import explanation_drawing
from algoscope.report.program import program_record, program_table

TESTS = ("flat", "recursive", "tables", "heads")
BASELINES = ("true label", "most frequent")


def explanation_json(found: Explanation) -> str:
    """The explanation as JSON text, unrounded. Numbers are finite."""
    record = {
        "nodes": [_node(each) for each in found.nodes],
        "idle": [_named(each) for each in found.idle],
        "survives": {test: _survival(found.survival[test]) for test in TESTS if test in found.survival}
        | {
            "baselines": {
                each: _survival(found.survival[each]) for each in BASELINES if each in found.survival
            }
        },
        "program": {} if found.written is None else program_record(found.written),
        "words": [{"text": each.text, "nodes": list(each.nodes)} for each in words(found)],
    }
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_explanation(found: Explanation, folder: Path) -> Path:
    """Write `explanation.json`, its drawing, and the program's `listing` if there is one; returns the first's
    path. Raises UserError if a file can't be written."""
    path = folder / "explanation.json"
    atomic.write(path, explanation_json(found))
    atomic.write(folder / "explanation.svg", explanation_drawing(found).svg)
    if found.written is not None:
        atomic.write(folder / "program.py", found.written.listing)
    return path


def printed(found: Explanation) -> tuple[str | Table, ...]:
    """All that a terminal shows, in order."""
    return tuple(
        filter(
            None,
            (
                explanation_words(found),
                nodes_table(found),
                survival_table(found),
                losses(found),
                None if found.written is None else program_table(found.written),
            ),
        )
    )


def _named(node: Node) -> dict[str, object]:
    return {"component": str(node.component), "position": str(node.place)}


def _node(one: Carried) -> dict[str, object]:
    return _named(one.node) | {
        "concept": one.concept if one.factors else None,
        "bits": one.bits,
        "carried": _finite(one.carried.mean),
        "refined": [factor.name for factor in one.refined],
        "needed": {factor.name: need for factor, need in zip(one.factors, one.needed, strict=True)},
        "importance": {"kl": one.importance.kl, "changed": one.importance.changed},
        "explained": one.explained,
        "also": [concept.name for concept in one.also],
    }


def _survival(one: Survival) -> dict[str, object]:
    """The interval is that of `same`."""
    return {
        "accuracy": one.accuracy.mean,
        "kl": one.kl.mean,
        "same": one.same.mean,
        "interval": [_finite(one.same.low), _finite(one.same.high)],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def nodes_table(found: Explanation) -> Table:
    """A line for each node that matters, with what shows what it carries. The last column has how many facts
    more it is taken to carry where all nodes are tested at once."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", "node", "carries", "bits", "kept", "needed", "worth", "more"):
        text = heading in ("node", "carries")
        table.add_column(heading, justify="left" if text else "right", no_wrap=not text)
    for number, each in enumerate(found.nodes, start=1):
        texts = str(number), str(each.node), told(each), f"{each.bits:.1f}", _share(each.carried)
        table.add_row(
            *map(
                _text,
                (
                    *texts,
                    _needed(each),
                    f"{each.importance.kl:.3g}",
                    f"+{len(finer(each))}" if finer(each) else "",
                ),
            )
        )
    return table


def survival_table(found: Explanation) -> Table:
    """A line for each test of all nodes at once, and for what agrees with the model without any."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("test", "inputs answered alike", "right", "KL"):
        table.add_column(heading, justify="left" if heading == "test" else "right", no_wrap=True)
    for test in (*TESTS, *BASELINES):
        if test in found.survival:
            one = found.survival[test]
            # A baseline's probabilities are made up.
            kl = f"{one.kl.mean:.3g}" if test in TESTS else "–"
            shares = _share(one.same), percent(one.accuracy.mean), kl
            table.add_row(*map(_text, (test, *shares)))
    return table


def explanation_words(found: Explanation) -> str:
    """The sentences, one a line, with the numbers of the nodes in the table that each rests on."""
    return "\n".join(
        printable(each.text) + (f" [{', '.join(str(node + 1) for node in each.nodes)}]" if each.nodes else "")
        for each in words(found)
    )


def losses(found: Explanation) -> str:
    """Which steps lose most in the recursive test, in one line; empty if none loses anything."""
    lost = [f"{node} ({percent(back)})" for node, back in found.worst if back > 0]
    if not lost:
        return ""
    told = f"Recursively, most is lost by {', '.join(lost)}: so many inputs are won back if it is left alone."
    return printable(told)


def _share(interval: Interval) -> str:
    low, high = max(interval.low, min(interval.mean, 0.0)), min(interval.high, 1.0)
    return f"{percent(interval.mean)} ({percent(low)} to {percent(high)})"


def _needed(one: Carried) -> str:
    return ", ".join("–" if need is None else f"{need:.2f}" for need in one.needed) or "–"


def _text(text: str) -> Text:
    return Text(printable(text))
