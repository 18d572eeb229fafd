"""Does a claimed circuit do the work alone, and does the model need it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import Score, score
from algoscope.analysis.components import component_names
from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Mean, Source
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

MEAN = Mean(per="position")


@dataclass(frozen=True)
class Part:
    """A component of a circuit: a head (`2.0`) or an MLP (`MLP 0`), at all positions or at some."""

    name: str
    positions: tuple[int, ...] | None = None

    def __str__(self) -> str:
        if self.positions is None:
            return self.name
        return f"{self.name} at {', '.join(map(str, self.positions))}"


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


def _score(logits: Float[Tensor, "batch *answer class"], examples: Examples) -> Score:
    found = score(logits.cpu(), examples)
    assert found is not None, "a sweep has examples"
    return found


def complement(model: Transformer, circuit: Iterable[Part], seq: int) -> tuple[Part, ...]:
    """Every head and MLP outside the circuit; of a part that is inside at some positions, the others."""
    inside: dict[str, set[int]] = {}
    for part in circuit:
        positions = range(seq) if part.positions is None else part.positions
        inside.setdefault(part.name, set()).update(positions)
    known = component_names(model, model.config.n_layers)[1:]
    for name in inside:
        if name not in known:
            raise UserError(f"no component {name!r}: there are {', '.join(known)}")
    rest = {name: tuple(p for p in range(seq) if p not in inside.get(name, ())) for name in known}
    return tuple(
        Part(name, positions if len(positions) < seq else None)
        for name, positions in rest.items()
        if positions
    )


def ablation(parts: Iterable[Part], source: Source) -> tuple[Intervention, ...]:
    """The parts' outputs, all replaced together by what the source gives."""
    return tuple(_replaced(part, source) for part in parts)


def _replaced(part: Part, source: Source) -> Intervention:
    if part.name.startswith("MLP "):
        return Intervention(
            f"blocks.{part.name.removeprefix('MLP ')}.hook_mlp_out", source, position=part.positions
        )
    head = Head.parse(part.name)
    return Intervention(head.site("hook_z"), source, head=head.index, position=part.positions)
