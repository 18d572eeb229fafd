"""A found circuit for a terminal, as JSON, and as a graph that Graphviz draws."""

from __future__ import annotations

import json

from rich.table import Table
from rich.text import Text

from algoscope.discovery.circuits.find import Found
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.stability import STABLE


def circuit_json(found: Found) -> str:
    """The circuit as JSON: edges with what each is worth, and every measure, unrounded."""
    measured = {
        "method": found.method,
        "patching": found.patching,
        "inputs": found.inputs,
        "asked": found.faithful,
        "size": len(found.circuit.edges),
        "edges_in_all": found.edges,
        "faithfulness": found.circuit.faithfulness,
        "faithfulness_fresh": found.fresh.faithfulness,
        "accuracy": found.fresh.accuracy,
        "kl": found.fresh.kl,
        "incompleteness": found.fresh.rest,
        "cpr": found.curve.cpr,
        "cmd": found.curve.cmd,
        "curve": dict(zip(map(str, found.curve.shares), found.curve.faithfulness, strict=True)),
        "stability": found.stability,
        "stable": found.stable,
        "rival": {"overlap": found.overlap, "edges": [named(edge) for edge in found.rival.edges]},
    }
    edges = [named(edge) | {"effect": found.worth[edge]} for edge in found.circuit.edges]
    return json.dumps(measured | {"edges": edges}, indent=1) + "\n"


def named(edge: Edge) -> dict[str, object]:
    """An edge as JSON has it."""
    return {
        "from": str(edge.sender),
        "to": str(edge.receiver),
        "input": edge.input,
        "position": edge.place or None,
    }


def circuit_dot(found: Found) -> str:
    """The circuit in Graphviz's language: `dot -Tsvg circuit.dot`."""
    lines = [
        f'  "{edge.sender}" -> "{edge.receiver}" [label="{"" if edge.input == "in" else edge.input}", '
        f'penwidth={1 + 4 * min(max(found.worth[edge], 0), 1):.2f}, weight="{_worth(found, edge)}"];'
        for edge in found.circuit.edges
    ]
    return "\n".join(("digraph circuit {", "  rankdir=BT;", "  node [shape=box];", *lines, "}", ""))


def circuit_table(found: Found) -> Table:
    """An edge a line, with what it is worth."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("from", "to", "input", "worth"):
        table.add_column(heading, justify="right" if heading == "worth" else "left")
    for edge in found.circuit.edges:
        letter = "" if edge.input == "in" else edge.input
        table.add_row(Text(str(edge.sender)), Text(str(edge.receiver)), letter, _worth(found, edge))
    return table


def circuit_words(found: Found) -> str:
    """What was found, and how far it may be trusted, in a few lines."""
    size, worth = len(found.circuit.edges), found.fresh
    stable = "stable" if found.stable else f"unstable: below {STABLE:g}"
    rival = (
        f"the most different circuit found that is as faithful has {len(found.rival.edges)} edges and shares "
        f"{found.overlap:.2f} of all edges that either has"
    )
    return "\n".join(
        (
            f"{size} of {found.edges} edges ({size / found.edges:.0%}), searched on {found.inputs} inputs by "
            f"{found.method} with {found.patching} patching.",
            f"On as many other inputs: faithfulness {worth.faithfulness:.3f} (asked {found.faithful:g}), "
            f"accuracy {worth.accuracy:.1%}, KL {worth.kl:.3g} nats. The other edges: {worth.rest:.3f}.",
            f"Curve: CPR {found.curve.cpr:.3f}, CMD {found.curve.cmd:.3f}. "
            f"Stability {found.stability:.2f} over 100 bootstrap samples of one search ({stable}).",
            f"Rival: {rival}" + ("." if found.unique else ": so there is another circuit."),
        )
    )


def _worth(found: Found, edge: Edge) -> str:
    return f"{found.worth[edge]:.3g}"
