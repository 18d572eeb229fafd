"""What several tests of the search need: a compiled model, and its nodes ready to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from algoscope.compiled.compiler import Compiled, compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.explanation.concepts import Concept
from algoscope.explanation.explain import Workshop, workshop
from algoscope.explanation.lexicon import Lexicon
from algoscope.explanation.places import Node
from algoscope.explanation.search import search
from algoscope.explanation.subject import Subject
from algoscope.explanation.tested import Tested
from algoscope.explanation.trial import Stage, stages
from algoscope.tasks.task import Examples

INPUTS = 1000


@dataclass(frozen=True)
class Asked:
    """A node of a model, and the model's own run at the stage at which it puts out."""

    shop: Workshop
    subject: Subject
    stage: Stage

    def found(self) -> Tested:
        return search(self.subject, self.stage)

    def name(self, tested: Tested) -> str:
        return self.shop.lexicon.concept(tested.factors).name


def a_compiled(name: str) -> Compiled:
    return compile(PROGRAMS[name], Noise(seed=1))


def component(compiled: Compiled, variable: str) -> str:
    """Which component computes a variable."""
    return next(str(each.component) for each in compiled.variables if each.name == variable)


@torch.no_grad()
def asked(
    compiled: Compiled, variable: str, examples: Examples | None = None, only: Sequence[Concept] | None = None
) -> Asked:
    """The place at which what computes a variable matters most; only some concepts are offered, if given."""
    examples = compiled.task.sample(INPUTS, seed=1) if examples is None else examples
    shop = workshop(compiled.model, compiled.task, examples, seed=0)
    if only is not None:
        shop = replace(shop, lexicon=Lexicon.of(only, shop.pool.inputs), subjects={})
    of = component(compiled, variable)
    node: Node = max(
        (node for node in shop.rows if str(node.component) == of),
        key=lambda node: shop.importances.changes[node].kl,
    )
    stage = next(stage for stage in stages(shop.bench) if stage.here(node.component))
    return Asked(shop, shop.subject(node), stage)


def shuffled(concept: Concept, seed: int) -> Concept:
    """The same numbers as often at each place, each on another input."""

    def of(inputs: object) -> Tensor:
        codes = concept.of(inputs)  # type: ignore[arg-type]
        order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
        return codes[order]

    return replace(concept, of=of)
