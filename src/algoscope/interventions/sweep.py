"""Many interventions, each run alone, as one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.edits import edit
from algoscope.interventions.engine import Engine
from algoscope.interventions.in_place import keep_freed_memory
from algoscope.interventions.intervention import Intervention, Place, Variant, each, place, refuse_overwriting
from algoscope.interventions.metrics import Metric
from algoscope.interventions.needs import Inputs
from algoscope.interventions.plan import Entry, Plan, plan, reaches
from algoscope.interventions.progress import Progress, progress
from algoscope.interventions.results import Sweep, label, name_of
from algoscope.interventions.runs import Runs
from algoscope.model.config import Config
from algoscope.model.sites import TOKENS
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import check_labels
from algoscope.tasks.task import Examples

MEMORY = 2 * 2**30
"""Default for the bytes that a sweep may take beyond its inputs and its result."""

CACHE = 4 * 2**20
"""Bytes of activations that stay in a processor's cache from one step to the next: parts are cut to this."""

PARTS = 32
"""How many parts share what is worked out for single positions, which is small."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A variant with its row in the result, what of it can reach the answer, and how that is run."""

    row: int
    acting: tuple[tuple[Intervention, Place], ...]
    plan: Plan


@torch.no_grad()
def sweep(
    model: Transformer,
    examples: Examples,
    interventions: Iterable[Variant],
    metric: Metric | None = None,
    *,
    memory: int = MEMORY,
) -> Sweep:
    """Each intervention run alone (a tuple of them: together), read at the examples' answers.

    Values are logits `[intervention row class]`, a row for each answer (with one answer to each input: for
    each example), or what the `metric` makes of them: `[intervention]`, or `[intervention row]`. The same
    as calling `run` on one after the other, to rounding (about 1e-5), in a fraction of the time. An
    intervention that cannot reach an answer gives the clean run's logits exactly. `memory` bounds the
    bytes taken beyond inputs and result. Raises UserError as `run` does, before anything is computed.
    """
    variants = list(each(interventions))
    if not variants or not len(examples.labels):
        raise UserError(
            f"a sweep of {len(variants)} interventions over {len(examples.labels)} answers of "
            f"{len(examples)} examples: give at least one each"
        )
    examples = examples.to(model.W_E.device)
    labels = examples.labels
    check_labels(labels, model.config.d_vocab_out)
    planned = _planned(model, variants, examples.tokens.shape[1], examples.answer_positions.tolist())
    sources = [(one.source, here.site) for variant in planned for one, here in variant.acting]
    runs = Runs(model, Inputs.of(examples), sources)
    slab = len(variants) if metric is None else _variants_at_once(model.config, len(labels), memory)
    values = []
    with progress(len(planned) * len(examples)) as bar:
        for start in range(0, len(variants), slab):
            some = [variant for variant in planned if start <= variant.row < start + slab]
            size = min(slab, len(variants) - start)
            logits, clean = _logits(runs, examples, some, range(start, start + size), memory, bar)
            values.append(logits if metric is None else _measured(metric, logits, clean, labels))
    reference = clean if metric is None else _measured(metric, clean[None], clean, labels)[0]
    return Sweep(torch.cat(values), reference, tuple(label(variant) for variant in variants), name_of(metric))


def _planned(
    model: Transformer, variants: Sequence[tuple[Intervention, ...]], seq: int, answers: Sequence[int]
) -> list[Planned]:
    """The variants of which something reaches the answer: the others' logits are the clean run's."""
    planned = []
    for row, variant in enumerate(variants):
        pairs = [(one, place(model, one, seq)) for one in variant]
        refuse_overwriting(pairs)
        masked = not any("query" in here.site.axes or here.site.name == TOKENS for _, here in pairs)
        acting = tuple(pair for pair in pairs if reaches(pair[1], model.config, answers, masked))
        if acting:
            planned.append(Planned(row, acting, plan([here for _, here in acting], model.config)))
    return planned


def _logits(
    runs: Runs, examples: Examples, planned: Sequence[Planned], span: range, memory: int, bar: Progress
) -> tuple[Float[Tensor, "variant row class"], Float[Tensor, "row class"]]:
    """Logits of the variants whose rows are in `span`, and the clean ones, block by block of the batch."""
    model, count = runs.model, len(runs.batch)
    rows_at_once = _rows_at_once(model.config, examples.tokens.shape[1], memory)
    answers, found = examples.answer_positions, 0
    clean = model.W_E.new_empty(len(examples.labels), model.config.d_vocab_out)
    logits = model.W_E.new_empty(len(span), *clean.shape)
    groups = _groups(planned)
    keep_freed_memory()
    for start in range(0, count, rows_at_once):
        rows = slice(start, min(start + rows_at_once, count))
        plans, whole = [group[0].plan for group in groups], rows.stop - rows.start == count
        others = runs.sites_of_partners() if whole else set()
        engine = Engine(model, runs.batch[rows], answers, plans, rows_at_once, others)
        if whole:
            runs.know_batch(engine.clean)
        own = _answered(examples.answered[rows][:, answers])
        here = own(engine.clean_logits()[None])[0]
        at = slice(found, found + len(here))
        found = at.stop
        clean[at] = logits[:, at] = here
        for group in groups:
            for chunk in _chunks(group, PARTS * engine.part):
                edits = [[edit(one, here, rows, runs) for one, here in variant.acting] for variant in chunk]
                positions = [v.plan.position for v in chunk if v.plan.position is not None]
                which = torch.tensor([variant.row - span.start for variant in chunk])
                logits[which, at] = own(engine.logits(chunk[0].plan, positions, edits))
                bar.advance(len(chunk) * (rows.stop - rows.start))
    return logits, clean


def _answered(
    mask: Bool[Tensor, "batch answer"],
) -> Callable[[Float[Tensor, "variant batch answer class"]], Float[Tensor, "variant row class"]]:
    """What picks each input's own answers from the positions at which any is answered."""
    if mask.all():
        return lambda logits: logits.flatten(1, 2)
    example, answer = mask.nonzero(as_tuple=True)
    return lambda logits: logits[:, example, answer]


def _groups(planned: Sequence[Planned]) -> list[list[Planned]]:
    """Variants that can run in one chunk: they leave the clean run at the same place, in the same way."""
    groups: dict[tuple[int, Entry, bool], list[Planned]] = defaultdict(list)
    for variant in planned:
        how = variant.plan
        groups[how.layer, how.entry, how.position is None].append(variant)
    return list(groups.values())


def _chunks(group: list[Planned], size: int) -> Iterator[list[Planned]]:
    for start in range(0, len(group), size):
        yield group[start : start + size]


def _rows_at_once(config: Config, seq: int, memory: int) -> int:
    """How many inputs to run as one batch: what a cache holds, and never more than the memory allows."""
    width = seq * max(config.d_model, config.n_heads * config.d_head, config.d_mlp or 0)
    scores = config.n_heads * seq * seq
    kept = config.n_layers * (7 * width + 2 * scores)
    working = 12 * width + 6 * scores
    return max(1, min(CACHE // (4 * width), memory // (4 * (kept + working))))


def _variants_at_once(config: Config, rows: int, memory: int) -> int:
    """How many variants' logits to hold before they are measured."""
    return max(1, memory // (16 * 4 * rows * config.d_vocab_out))


def _measured(metric: Metric, logits: Tensor, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant *row"]:
    values = metric(logits, clean, labels)
    if not isinstance(values, Tensor) or values.shape not in (logits.shape[:1], logits.shape[:2]):
        got = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise UserError(
            f"the metric {name_of(metric)} returned {got}: it must return one number a variant, "
            f"{list(logits.shape[:1])}, or one for each of its answers, {list(logits.shape[:2])}"
        )
    return values
