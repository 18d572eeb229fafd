"""How well an explanation answers by itself, as JSON and for a terminal."""

from __future__ import annotations

import math
from dataclasses import asdict

from rich import box
from rich.table import Table

from algoscope.discovery.effects import Interval
from algoscope.explanation.scored import Score
from algoscope.explanation.words import percent
from algoscope.explanation.written import Written


def program_record(written: Written) -> dict[str, object]:
    """What is measured of a program, with its baselines; numbers that there are none of are null."""
    return {
        "kind": written.kind,
        **_record(written.scores["program"]),
        "baselines": {name: _record(each) for name, each in written.scores.items() if name != "program"},
        "near_a_change": {name: _record(each) for name, each in written.near.items()},
    }


def _record(score: Score) -> dict[str, object]:
    found = score.mistakes
    return {
        "inputs": score.inputs,
        "agreement": _interval(score.same),
        "agreement_by_answer": _interval(score.answers),
        "kl": _interval(score.kl),
        "mistakes": asdict(found),
        "mistakes_shared": _interval(found.recall),
        "mistakes_own": _interval(found.precision),
        "within_a_class": _number(score.within),
        "doubt_auc": _number(score.doubt),
        "unknown": score.unknown,
    }


def _interval(found: Interval | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {"mean": found.mean, "low": _number(found.low), "high": _number(found.high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def program_table(written: Written) -> Table:
    """A line for the program and each baseline, on other inputs and on those close to a change."""
    how = "every part looked up" if written.kind == "tables" else "heads computed, MLPs looked up"
    table = Table(box=box.SIMPLE, title=f"as a program ({how})", title_justify="left")
    for name in (
        "answers as the model",
        "inputs",
        "all answers alike",
        "KL",
        "its mistakes made",
        "own that are its",
    ):
        table.add_column(name, justify="left" if name.startswith("answers") else "right")
    for where, scores in (("", written.scores), (" (near a change)", written.near)):
        for name, score in scores.items():
            table.add_row(
                f"{name}{where}",
                f"{score.inputs:,}",
                percent(score.same.mean),
                "–" if score.kl is None else f"{score.kl.mean:.3g}",
                _shared(score.mistakes.shared, score.mistakes.model),
                _shared(score.mistakes.shared, score.mistakes.program),
            )
    return table


def _shared(count: int, of: int) -> str:
    return f"{count} of {of}" if of else "–"
