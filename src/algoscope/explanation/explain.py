"""From a model and its task to an explanation."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.explanation.baselines import baselines
from algoscope.explanation.coarser import coarser
from algoscope.explanation.concepts import Concept
from algoscope.explanation.explanation import Explanation
from algoscope.explanation.flat import Flat, flat
from algoscope.explanation.importance import Importances, importances, swapped
from algoscope.explanation.inputs import read_inputs
from algoscope.explanation.joint import Swaps
from algoscope.explanation.lexicon import Factors, Lexicon
from algoscope.explanation.library.every import concepts
from algoscope.explanation.measured import Fresh, joint, losing, with_stages
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool, fill, filled, room
from algoscope.explanation.rows import Rows, rows
from algoscope.explanation.screen import sensitivities
from algoscope.explanation.search import also, search, wider
from algoscope.explanation.subject import Subject, subject
from algoscope.explanation.tested import Tested
from algoscope.explanation.trial import Bench, Stage, first_stage
from algoscope.explanation.written import write
from algoscope.model.component import Component
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import right
from algoscope.tasks.task import Examples, Task

BENCH = 192
"""Inputs on which changes are tried."""
SENSED = 512
"""Inputs on which it is measured what later parts read."""
LOSS = 0.01
"""Share of inputs: what loses less in a joint test is left as it is."""
FLAT = 800
"""Inputs on which the flat test is made: it is a sum, and cheap."""
ROUNDS = 12
GAIN = 0.004
"""Share of inputs that a finer concept has to win back."""
ADDED = 60
"""Concepts that are tried beside what a node carries."""
SUSPECTS = 6
"""Nodes whose concepts lose most alone, of which it is measured what they lose in the recursive test."""
FEWEST = 60
ANSWERED = 4000
"""Other inputs, on which the program answers: mistakes are rare."""
ONE_BY_ONE = 400
"""Of these, those on which each node is measured alone."""
MEASURED = 1000
"""Other inputs, on which what was found is measured."""


@dataclass(frozen=True, eq=False)
class Workshop:
    """All that is computed once, and read by every step."""

    bench: Bench
    lexicon: Lexicon
    importances: Importances
    sensitivity: dict[Component, Tensor]
    rows: dict[Node, Rows]
    seed: int
    tell: Callable[[str], None] = field(default=lambda doing: None)
    subjects: dict[Node, Subject] = field(default_factory=dict)

    @property
    def pool(self) -> Pool:
        return self.bench.pool

    def subject(self, node: Node) -> Subject:
        """A node, ready to be asked; made once."""
        if node not in self.subjects:
            sensitivity = self.sensitivity[node.component]
            self.subjects[node] = subject(
                self.pool, self.lexicon, node, self.rows[node], sensitivity, self.seed
            )
        return self.subjects[node]

    def codes(self, node: Node, factors: Factors) -> Tensor:
        return self.lexicon.together(factors, self.rows[node].where)


def explain(
    model: Transformer,
    task: Task,
    examples: Examples,
    seed: int = 0,
    tell: Callable[[str], None] = lambda doing: None,
) -> Explanation:
    """Which node of a model carries which concept, and how much of its behaviour that explains.

    Concepts are found on one part of the examples and measured on another. Raises UserError for fewer than
    `FEWEST`. The same arguments give the same explanation. Runs on the CPU, wherever the model is.

    Method: interchange interventions within the classes of a concept; jointly, causal scrubbing (Chan et al.
    2022) with one sample for all that reads a node.
    """
    if len(examples) < FEWEST:
        raise UserError(f"an explanation needs at least {FEWEST} examples, not {len(examples)}: give more")
    began = time.monotonic()
    if model.W_E.device.type != "cpu":
        # A search of many small steps, whose concepts and draws are made on the CPU.
        model = deepcopy(model).cpu()
    examples = examples.to("cpu")
    with torch.no_grad():
        most = min(room(model, examples.tokens.shape[1]), len(examples) * 2 // 3)
        shop = workshop(model, task, examples[:most], seed, tell)
        found = alone(shop)
        tell("all nodes at once")
        factors = jointly(shop, recursively(shop, {node: each.factors for node, each in found.items()}))
        tell("measuring on other inputs")
        fresh = _fresh(shop, examples[most:][:MEASURED], factors, found)
        measured = _measured(shop, fresh, found, factors)
        tell("writing it as a program")
        written = write(shop.pool, _carried(shop, factors), examples[most:][:ANSWERED], seed)
    return replace(measured, written=written, seconds=time.monotonic() - began)


def _carried(shop: Workshop, factors: dict[Node, Factors]) -> dict[Node, tuple[Concept, ...]]:
    concepts = shop.lexicon.concepts
    return {node: tuple(concepts[number] for number in factors.get(node, ())) for node in shop.rows}


def _fresh(
    shop: Workshop, examples: Examples, factors: dict[Node, Factors], found: dict[Node, Tested]
) -> Fresh:
    pool = filled(shop.pool.model, shop.pool.task, examples, shop.pool.inputs.language)
    every = (*factors.values(), *(each.factors for each in found.values()))
    lexicon = Lexicon.of(shop.lexicon.concepts, pool.inputs, {number for each in every for number in each})
    return Fresh(Bench.of(pool, min(ONE_BY_ONE, len(examples))), lexicon, shop.seed + 1)


def _measured(
    shop: Workshop, fresh: Fresh, found: dict[Node, Tested], factors: dict[Node, Factors]
) -> Explanation:
    nodes = [
        fresh.carried(node, found[node], factors[node], also(shop.subject(node), found[node].factors), stage)
        for node, stage in with_stages(fresh.bench, found)
    ]
    pool = fresh.bench.pool
    everywhere = {node: factors.get(node, ()) for node in shop.rows}
    swaps = Swaps.drawn(pool, fresh.codes(everywhere), fresh.seed)
    suspects = sorted(nodes, key=lambda each: (each.carried.mean - 1) * each.importance.kl)[:SUSPECTS]
    return Explanation(
        tuple(nodes),
        tuple(node for node in shop.rows if node not in found),
        {**joint(fresh, swaps), **baselines(pool)},
        losing(fresh, swaps, [each.node for each in suspects]),
        float(right(pool.logits, pool.examples.labels).double().mean()),
        len(pool.examples),
        0.0,
    )


def workshop(
    model: Transformer,
    task: Task,
    examples: Examples,
    seed: int,
    tell: Callable[[str], None] = lambda doing: None,
) -> Workshop:
    """All that the search reads, on these examples."""
    pool = fill(model, task, examples)
    # A third at most: partners come from all of them.
    bench = Bench.of(pool, min(BENCH, max(FEWEST, len(examples)) // 3))
    # The idle are told apart on fewer inputs: whole runs are made for that, again and again.
    found = importances(Bench.of(pool.first(SENSED), len(bench)), seed)
    sample = read_inputs(examples[:200], pool.inputs.language)
    lexicon = Lexicon.of(concepts(task, pool.inputs.language, sample), pool.inputs)
    places = {node: rows(pool, node.place, len(bench)) for node in found.changes}
    places = {node: each for node, each in places.items() if each.tested}
    return Workshop(bench, lexicon, found, sensitivities(pool, SENSED, seed), places, seed, tell)


def alone(shop: Workshop) -> dict[Node, Tested]:
    """What each node that matters carries, taken alone in the model's own run."""
    found: dict[Node, Tested] = {}
    asked_of = [node for node in shop.rows if node not in shop.importances.idle]
    for node, stage in with_stages(shop.bench, asked_of):
        read = [] if node.component.head else _read(shop, node, found)
        asked = shop.subject(node)
        found[node] = coarser(asked, stage, search(asked, stage, read))
        shop.tell(f"{node}: {shop.lexicon.concept(found[node].factors).name}")
    return found


def _read(shop: Workshop, node: Node, found: dict[Node, Tested]) -> list[Factors]:
    """What earlier nodes carry at the same places."""
    here = shop.rows[node].where
    return [tested.factors for other, tested in found.items() if bool((shop.rows[other].where | ~here).all())]


def recursively(shop: Workshop, factors: dict[Node, Factors]) -> dict[Node, Factors]:
    """The same, finer where the recursive test needs it: node by node, all earlier ones scrubbed."""
    generator = Generator().manual_seed(shop.seed)
    refined = dict(factors)
    stage: Stage | None = first_stage(shop.bench)
    while stage is not None:
        here = [node for node in shop.rows if stage.here(node.component)]
        # The idle first: of parts that do one thing together, those that matter are to stand in for them.
        for node in sorted(here, key=lambda node: (node not in shop.importances.idle, node.component)):
            if node not in shop.importances.idle:
                found = search(shop.subject(node), stage, (), refined.get(node, ()))
                if found.factors:
                    refined[node] = found.factors
            stage = swapped(stage, node, shop.codes(node, refined.get(node, ())), generator)
        stage = stage.next()
    return refined


def jointly(shop: Workshop, factors: dict[Node, Factors]) -> dict[Node, Factors]:
    """The same, finer where the flat test needs it: one factor more to one node at a time."""
    refined = dict(factors)
    bench = Bench.of(shop.pool, FLAT)
    own = {node: rows(shop.pool, node.place, len(bench)) for node in shop.rows}
    now = flat(bench, own)
    clean = dict(now.written)
    for node in own:
        codes = shop.codes(node, refined.get(node, ()))
        now = now.with_node(node, now.swapped(node, own[node], codes, shop.seed))
    for _ in range(ROUNDS):
        loss = now.change()
        if loss.changed <= LOSS:
            break
        gains = {node: now.with_node(node, clean[node]).change().changed for node in factors}
        for node in sorted(gains, key=lambda each: gains[each]):
            finer = (
                _finer(shop, now, node, own[node], refined[node])
                if gains[node] < loss.changed - GAIN
                else None
            )
            if finer is not None:
                refined[node], now = finer
                break
        else:
            break
    return refined


def _finer(shop: Workshop, now: Flat, node: Node, own: Rows, factors: Factors) -> tuple[Factors, Flat] | None:
    """The concept to add to a node's that helps most in the flat test; None if none does."""
    best, least = None, now.change().changed - GAIN
    for other in _additions(shop, node, factors):
        written = now.swapped(node, own, shop.codes(node, other), shop.seed)
        trial = now.with_node(node, written)
        changed = trial.change().changed
        if changed <= least:
            best, least = (other, trial), changed
    return best


def _additions(shop: Workshop, node: Node, factors: Factors) -> list[Factors]:
    asked = shop.subject(node)
    beam = asked.joined(factors) if factors else asked.singles
    return [each.factors for each in sorted(wider(asked, beam), key=lambda each: each.left)[:ADDED]]
