"""What is left of a model when a hypothesis about its circuit is tested: for a terminal, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from algoscope.discovery.circuits.trial import Trial
from algoscope.report.circuit import named

EVERYTHING = "everything"
"""What a step without a concept depends on."""


def hypothesis_json(trial: Trial) -> str:
    """What survived, with intervals, and what each step has to do with it, unrounded."""
    hypothesis, found = trial.hypothesis, trial.survival
    steps = [
        {
            "component": str(sender),
            "concept": hypothesis.concepts.get(sender),
            "alone": found.alone[sender],
            "kl_lost": found.gained[sender],
        }
        for sender in hypothesis.senders
    ]
    told = {
        "inputs": trial.inputs,
        "sampled": trial.sampled,
        "left_out": trial.other,
        "accuracy": asdict(found.accuracy),
        "same": asdict(found.same),
        "kl": asdict(found.kl),
        "worst": None if found.worst is None else str(found.worst),
        "steps": steps,
        "edges": [named(edge) for edge in sorted(hypothesis.edges)],
    }
    return json.dumps(told, indent=1) + "\n"


def hypothesis_table(trial: Trial) -> Table:
    """A sender a line: what it is said to depend on, and what that loses."""
    hypothesis, found = trial.hypothesis, trial.survival
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("step", "depends on", "inputs alone", "KL lost"):
        table.add_column(heading, justify="left" if heading in ("step", "depends on") else "right")
    for sender in hypothesis.senders:
        concept = hypothesis.concepts.get(sender, EVERYTHING)
        alone, lost = f"{found.alone[sender]:.1%}", f"{found.gained[sender]:z.3f}"
        table.add_row(Text(str(sender)), Text(concept), alone, lost)
    return table


def hypothesis_words(trial: Trial) -> str:
    """How much survives, and which step does most damage, in a few lines."""
    hypothesis, found = trial.hypothesis, trial.survival
    worst = "No step loses anything."
    if found.worst is not None:
        concept = hypothesis.concepts.get(found.worst, EVERYTHING)
        worst = (
            f"Most damaging: that {found.worst.words} depends on {concept}; without this step the KL is "
            f"{found.gained[found.worst]:.3f} nats lower."
        )
    return "\n".join(
        (
            f"{len(hypothesis.edges)} edges, tested on {trial.inputs:,} inputs of the most common length.",
            f"Left out are {trial.other:,} of {trial.sampled:,}: of another length, or answered elsewhere.",
            f"What survives, with 95 % intervals: accuracy {found.accuracy}, the model's own answers "
            f"{found.same}, KL {found.kl} nats.",
            worst,
            "An input is alone if no other agrees with it on what a step depends on: it tests nothing there.",
        )
    )
