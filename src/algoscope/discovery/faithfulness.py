"""Does a claimed circuit do the work alone, and does the model need it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import Score, score
from algoscope.errors import UserError
from algoscope.interventions.families import on
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Mean, Source
from algoscope.interventions.sweep import sweep
from algoscope.model.component import Component, heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

MEAN = Mean(per="position")


@dataclass(frozen=True)
class Part:
    """A component of a circuit: a head or an MLP, at all positions or at some."""

    component: Component
    positions: tuple[int, ...] | None = None

    def __str__(self) -> str:
        if self.positions is None:
            return str(self.component)
        return f"{self.component} at {', '.join(map(str, self.positions))}"


@dataclass(frozen=True)
class Faithfulness:
    """How the examples are answered by the whole model, by the circuit alone, and by what is left of it."""

    whole: Score
    alone: Score
    """Everything outside the circuit is ablated."""
    without: Score
    """The circuit is ablated, and nothing else."""


def faithfulness(
    model: Transformer, examples: Examples, circuit: Sequence[Part], source: Source = MEAN
) -> Faithfulness:
    """What remains when everything outside the circuit is ablated, and when the circuit is.

    Ablated heads write what `source` gives for their z, ablated MLPs what it gives for their output: by
    default the mean over the examples, position by position. Embeddings and norms always stay. Raises
    UserError for an empty circuit and for a part that the model does not have.
    """
    if not circuit:
        raise UserError("an empty circuit has nothing to test: give at least one head or MLP")
    seq = examples.tokens.shape[1]
    outside = ablation(complement(model, circuit, seq), source)
    runs = [ablation(circuit, source), *([outside] if outside else [])]
    found = sweep(model, examples, runs)
    whole, without, alone = (
        _score(logits, examples) for logits in (found.clean, found.values[0], found.values[-1])
    )
    return Faithfulness(whole, alone if outside else whole, without)


def _score(logits: Float[Tensor, "row class"], examples: Examples) -> Score:
    found = score(logits.cpu(), examples.labels)
    assert found is not None, "a sweep has examples"
    return found


def complement(model: Transformer, circuit: Iterable[Part], seq: int) -> tuple[Part, ...]:
    """Every head and MLP outside the circuit; of a part that is inside at some positions, the others."""
    inside: dict[Component, set[int]] = {}
    for part in circuit:
        positions = range(seq) if part.positions is None else part.positions
        inside.setdefault(part.component.check(model.config), set()).update(positions)
    known = heads_and_mlps(model.config)
    rest = {each: tuple(p for p in range(seq) if p not in inside.get(each, ())) for each in known}
    return tuple(
        Part(each, positions if len(positions) < seq else None)
        for each, positions in rest.items()
        if positions
    )


def ablation(parts: Iterable[Part], source: Source) -> tuple[Intervention, ...]:
    """The parts' outputs, all replaced together by what the source gives."""
    return tuple(on(part.component, source, part.positions) for part in parts)
