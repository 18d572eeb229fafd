"""What nodes are said to carry, measured on inputs that played no part in finding it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from algoscope.discovery.effects import Interval, intervals
from algoscope.explanation.concepts import Concept
from algoscope.explanation.explanation import Carried, Survival
from algoscope.explanation.joint import Codes, Swaps, replay
from algoscope.explanation.lexicon import Factors, Lexicon, entropy
from algoscope.explanation.partners import stand_ins
from algoscope.explanation.places import Node
from algoscope.explanation.rows import Rows, rows
from algoscope.explanation.steps import Replaced
from algoscope.explanation.tested import SLACK_KL, Tested
from algoscope.explanation.trial import Bench, Change, Stage, same_inputs, stages
from algoscope.tasks.answers import divergence, right
from algoscope.tasks.task import Examples

RARE = 0.5
"""Of fewer rows than this share a factor can't be changed alone: then nothing is said of it."""


@dataclass(frozen=True, eq=False)
class Fresh:
    """Inputs that nothing was found on."""

    bench: Bench
    lexicon: Lexicon
    seed: int

    def rows(self, node: Node) -> Rows:
        return rows(self.bench.pool, node.place, len(self.bench))

    def carried(
        self, node: Node, found: Tested, refined: Factors, also: tuple[Concept, ...], stage: Stage
    ) -> Carried:
        """A node with all that is measured of it, in the model's own run at `stage`."""
        own = self.rows(node)
        generator = Generator().manual_seed(self.seed)
        codes = self.lexicon.together(found.factors, own.where)
        nothing = torch.zeros_like(codes)
        anything = self._moved(stage, node, own, nothing, own.identity, generator)
        kept = self._moved(stage, node, own, codes, own.identity, generator)
        whole = float(anything.kl.mean())
        share = float(kept.kl.mean()) / whole if whole else 0.0
        half = (kept.kl - share * anything.kl) / whole if whole else torch.zeros_like(kept.kl)
        spread = intervals(half[None].double(), self.bench.examples)[0]
        changed = kept.changed.double()
        rate = _mean(changed)
        return Carried(
            node,
            tuple(self.lexicon.concepts[index] for index in found.factors),
            tuple(self.lexicon.concepts[index] for index in refined),
            entropy(codes),
            Interval(1 - share, 1 - share + spread.low, 1 - share + spread.high),
            rate,
            tuple(self._needed(stage, node, own, found.factors, factor, whole) for factor in found.factors),
            kept.alone,
            Change(whole, float(anything.changed.double().mean())),
            # What was picked from many has to do as well on inputs that played no part.
            found.enough and share + spread.low <= SLACK_KL,
            also,
        )

    def _needed(
        self, stage: Stage, node: Node, own: Rows, factors: Factors, factor: int, whole: float
    ) -> float | None:
        """Of what any output changes, the share that one changes which differs in this factor alone."""
        rest = self.lexicon.together(tuple(each for each in factors if each != factor), own.where)
        mine = self.lexicon.together((factor,), own.where)
        moved = self._moved(stage, node, own, rest, mine, Generator().manual_seed(self.seed))
        return None if moved.alone > RARE or not whole else float(moved.kl.mean()) / whole

    def _moved(
        self, stage: Stage, node: Node, own: Rows, agree: Tensor, apart: Tensor, generator: Generator
    ) -> Moved:
        source, alone = stand_ins(agree, apart, torch.arange(own.tested), generator)
        values = stage.value(node.component)[own.where][source]
        logits = stage.logits_if(node.component, own.where[: len(self.bench)], values)
        examples = self.bench.examples
        return Moved(
            divergence(logits, self.bench.logits, examples.sets),
            ~same_inputs(logits, self.bench.logits, examples),
            float(alone.double().mean()),
        )

    def codes(self, factors: Mapping[Node, Factors]) -> Codes:
        """What each node carries, at its rows."""
        return {node: self.lexicon.together(each, self.rows(node).where) for node, each in factors.items()}


@dataclass(frozen=True, eq=False)
class Moved:
    """How far answers moved, input by input."""

    kl: Float[Tensor, "row"]
    changed: Bool[Tensor, "batch"]
    alone: float


def survival(
    logits: Float[Tensor, "row class"], own: Float[Tensor, "row class"], examples: Examples
) -> Survival:
    """How much of the model's behaviour is left in these answers."""
    exact = torch.stack(
        [right(logits, examples.labels).double(), divergence(logits, own, examples.sets).double()]
    )
    accuracy, kl = intervals(exact, examples)
    return Survival(_mean(same_inputs(logits, own, examples).double()), accuracy, kl)


def joint(fresh: Fresh, swaps: Swaps) -> dict[str, Survival]:
    """The flat and the recursive test of all nodes at once."""
    pool = fresh.bench.pool
    return {
        name: survival(replay(pool, replaced), pool.logits, pool.examples)
        for name, replaced in (("flat", swaps.flat), ("recursive", swaps.recursive))
    }


def losing(fresh: Fresh, swaps: Swaps, nodes: Sequence[Node]) -> tuple[tuple[Node, float], ...]:
    """Each node with the share of inputs won back in the recursive test if it keeps its own output."""
    pool = fresh.bench.pool

    def same(replaced: Replaced) -> float:
        return float(same_inputs(replay(pool, replaced), pool.logits, pool.examples).double().mean())

    whole = same(swaps.recursive)
    won = [(node, same(swaps.leaving(node).recursive) - whole) for node in nodes]
    return tuple(sorted(won, key=lambda pair: -pair[1]))


def _mean(values: Float[Tensor, "batch"]) -> Interval:
    """The mean with its 95 % interval, one value an input."""
    mean = float(values.mean())
    half = 1.96 * float(values.std()) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return Interval(mean, mean - half, mean + half)


def with_stages(bench: Bench, nodes: Collection[Node]) -> Iterator[tuple[Node, Stage]]:
    """Each node with the stage of the model's own run at which it puts out."""
    return ((node, stage) for stage in stages(bench) for node in nodes if stage.here(node.component))
