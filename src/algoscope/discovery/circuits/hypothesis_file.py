"""A hypothesis about a circuit, read from a JSON file and checked against the model and its task.

    {"edges": [{"from": "token embedding", "to": "0.0", "input": "v"},
               {"from": "0.0", "to": "MLP 0"}, {"from": "MLP 0", "to": "answer"}],
     "concepts": {"0.0": "total_elevation_failure"}}

The edges of a circuit.json will do as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from algoscope.discovery.circuits.graph import LETTERS, Edge, Graph
from algoscope.discovery.circuits.scrubbing import Hypothesis
from algoscope.errors import UserError
from algoscope.model.component import Component

KEYS = ("from", "to", "input", "position", "effect")
"""Of an edge; "position" has to be null, and "effect" is not read."""


def read_hypothesis(path: Path, graph: Graph, concepts: Collection[str]) -> Hypothesis:
    """The hypothesis in this file, about a model with this graph and a task with these concepts.

    Raises UserError, with the entry that is wrong and what would fit.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error
    try:
        return _hypothesis(given, graph, concepts)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _hypothesis(given: object, graph: Graph, concepts: Collection[str]) -> Hypothesis:
    if not isinstance(given, dict) or not isinstance(given.get("edges"), list) or not given["edges"]:
        raise UserError('give an object with "edges", a list of at least one edge, and "concepts"')
    _refuse_others(given, ("edges", "concepts"), "the hypothesis")
    edges = frozenset(_edge(each, f"edge {n}", graph) for n, each in enumerate(given["edges"], 1))
    named = given.get("concepts", {})
    if not isinstance(named, dict):
        raise UserError(f'"concepts" is {json.dumps(named)}: give an object of component and concept')
    senders = {str(edge.sender): edge.sender for edge in edges}
    return Hypothesis(edges, {senders[_sender(name, senders)]: _concept(name, concept, concepts)
                              for name, concept in named.items()})  # fmt: skip


def _edge(given: object, which: str, graph: Graph) -> Edge:
    if not isinstance(given, dict):
        raise UserError(f'{which} is {json.dumps(given)}: give an object with "from", "to" and "input"')
    _refuse_others(given, KEYS, which)
    if given.get("position") is not None:
        raise UserError(f"{which} has a position: a hypothesis holds of all positions together")
    sender, receiver = (_part(given.get(end), f'{which}, "{end}"', graph) for end in ("from", "to"))
    letters = LETTERS if receiver.head else ("in",)
    letter = given.get("input", "in")
    if letter not in letters:
        have = "q, k or v, which it reads through" if receiver.head else "in, or leave it out"
        raise UserError(f'{which}, "input" is {json.dumps(letter)}: for {receiver} give {have}')
    edge = Edge(sender, receiver, letter)
    if edge not in graph.index:
        raise UserError(f"{which}: there is no edge {edge}, since {receiver} does not come after {sender}")
    return edge


def _part(given: object, which: str, graph: Graph) -> Component:
    by_name = {str(part): part for part in graph.parts}
    if not isinstance(given, str) or given not in by_name:
        raise UserError(f"{which} is {json.dumps(given)}: the model has {', '.join(by_name)}")
    return by_name[given]


def _sender(name: str, senders: Mapping[str, Component]) -> str:
    if name not in senders:
        raise UserError(
            f'"concepts" speaks of {json.dumps(name)}, which no edge leads from: the edges lead from '
            f"{', '.join(map(str, sorted(senders.values())))}"
        )
    return name


def _concept(name: str, given: object, concepts: Collection[str]) -> str:
    if not isinstance(given, str) or given not in concepts:
        have = ", ".join(concepts) or "none"
        raise UserError(f"{name} is said to depend on {json.dumps(given)}: the task's concepts are {have}")
    return given


def _refuse_others(given: Mapping[str, object], known: Collection[str], which: str) -> None:
    others = [name for name in given if name not in known]
    if others:
        raise UserError(f"{which} has {json.dumps(others[0])}, which is none of {', '.join(known)}")
