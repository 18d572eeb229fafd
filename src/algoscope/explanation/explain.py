"""From a model and its task to an explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from algoscope.explanation.flat import flat
from algoscope.explanation.importance import Importances, importances, swapped
from algoscope.explanation.inputs import read_inputs
from algoscope.explanation.lexicon import Factors, Lexicon
from algoscope.explanation.library.every import concepts
from algoscope.explanation.places import Node
from algoscope.explanation.pool import Pool, fill
from algoscope.explanation.rows import Rows, rows
from algoscope.explanation.screen import sensitivities
from algoscope.explanation.search import Subject, Tested, search, subject, wider
from algoscope.explanation.trial import Bench, Stage, first_stage, stages
from algoscope.model.component import heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples, Task

BENCH = 256
"""Inputs on which changes are tried."""
SENSED = 512
"""Inputs on which it is measured what later parts read."""
LOSS = 0.01
"""Share of inputs: what loses less in a joint test is left as it is."""
ROUNDS = 12


@dataclass(frozen=True, eq=False)
class Workshop:
    """All that is computed once, and read by every step."""

    bench: Bench
    lexicon: Lexicon
    importances: Importances
    sensitivity: dict[object, Tensor]
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


def workshop(model: Transformer, task: Task, examples: Examples, seed: int) -> Workshop:
    pool = fill(model, task, examples)
    bench = Bench.of(pool, min(BENCH, len(examples)))
    # The idle are told apart on fewer inputs: whole runs are made for that, again and again.
    few = fill(model, task, examples[:SENSED])
    found = importances(Bench.of(few, len(bench)), seed)
    sample = read_inputs(examples[:200], pool.inputs.language)
    lexicon = Lexicon.of(concepts(task, pool.inputs.language, sample), pool.inputs)
    places = {node: rows(pool, node.place, len(bench)) for node in found.changes}
    places = {node: each for node, each in places.items() if each.tested}
    return Workshop(bench, lexicon, found, sensitivities(pool, SENSED, seed), places, seed)


def alone(shop: Workshop) -> dict[Node, Tested]:
    """What each node that matters carries, taken alone in the model's own run."""
    found: dict[Node, Tested] = {}
    for stage in stages(shop.bench):
        for component in filter(stage.here, heads_and_mlps(shop.pool.model.config)):
            for node in [each for each in shop.rows if each.component == component]:
                if node not in shop.importances.idle:
                    read = [] if component.head else _read(shop, node, found)
                    found[node] = search(shop.subject(node), stage, read)
                    shop.tell(f"{node}: {shop.lexicon.concept(found[node].factors).name}")
    return found


def _read(shop: Workshop, node: Node, found: dict[Node, Tested]) -> list[Factors]:
    """What earlier nodes carry at the same places."""
    here = shop.rows[node].where
    return [
        tested.factors for other, tested in found.items() if bool((shop.rows[other].where | ~here).all())
    ]


def recursively(shop: Workshop, factors: dict[Node, Factors]) -> dict[Node, Factors]:
    """The same, finer where the recursive test needs it: each node in turn, with all earlier ones scrubbed."""
    generator = Generator().manual_seed(shop.seed)
    refined = dict(factors)
    stage: Stage | None = first_stage(shop.bench)
    while stage is not None:
        for component in filter(stage.here, heads_and_mlps(shop.pool.model.config)):
            for node in [each for each in shop.rows if each.component == component]:
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
    now = flat(shop.bench, shop.rows)
    clean = dict(now.written)
    for node in shop.rows:
        codes = shop.codes(node, refined.get(node, ()))
        now = now.with_node(node, now.swapped(node, shop.rows[node], codes, shop.seed))
    for _ in range(ROUNDS):
        loss = now.change()
        if loss.changed <= LOSS:
            break
        gains = {node: now.with_node(node, clean[node]).change().changed for node in factors}
        node = min(gains, key=lambda each: gains[each])
        best, written = None, None
        for other in _additions(shop, node, refined[node]):
            codes = shop.codes(node, other)
            trial = now.with_node(node, now.swapped(node, shop.rows[node], codes, shop.seed))
            change = trial.change()
            if best is None or change.changed < best[0]:
                best, written = (change.changed, other), trial
        if best is None or written is None or best[0] > loss.changed - 0.004:
            break
        refined[node], now = best[1], written
        shop.tell(f"jointly {node}: {shop.lexicon.concept(best[1]).name} {loss.changed:.3f} -> {best[0]:.3f}")
    return refined


def _additions(shop: Workshop, node: Node, factors: Factors) -> list[Factors]:
    asked = shop.subject(node)
    beam = asked.joined(factors) if factors else asked.singles
    return [each.factors for each in sorted(wider(asked, beam), key=lambda each: each.left)[:25]]
