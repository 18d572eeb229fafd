"""Many interventions, each run alone, as one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions.edits import edit
from algoscope.interventions.engine import Engine
from algoscope.interventions.in_place import keep_freed_memory
from algoscope.interventions.intervention import Intervention, Place, Variant, each, place, refuse_overwriting
from algoscope.interventions.metrics import Metric
from algoscope.interventions.plan import Entry, Plan, plan, reaches
from algoscope.interventions.progress import Progress, progress
from algoscope.interventions.results import Sweep, label, name_of
from algoscope.interventions.runs import Runs
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
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
    """Each intervention run alone (a tuple of them: together), read at the examples' answer.

    Values are logits `[intervention batch class]` (`[intervention batch answer class]` if the answer has
    several positions), or the `metric` of each intervention. The same as calling `run` on one after the
    other, to rounding (about 1e-5), in a fraction of the time. An intervention that cannot reach the
    answer gives the clean run's logits exactly. `memory` bounds the bytes taken beyond inputs and
    result. Raises UserError as `run` does, before anything is computed.
    """
    variants = list(each(interventions))
    if not variants or not len(examples):
        raise UserError(
            f"a sweep of {len(variants)} interventions over {len(examples)} examples: give at least one each"
        )
    tokens = examples.tokens.to(model.W_E.device)
    labels = examples.labels.to(tokens.device)
    answers = torch.arange(tokens.shape[1], device=tokens.device)[examples.answer].reshape(-1)
    planned = _planned(model, variants, tokens.shape[1], answers.tolist())
    sources = [(one.source, here.site) for variant in planned for one, here in variant.acting]
    runs = Runs(model, tokens, labels if labels.ndim == 1 else None, sources)
    slab = len(variants) if metric is None else _variants_at_once(model.config, tokens, answers, memory)
    values = []
    with progress(len(planned) * len(tokens)) as bar:
        for start in range(0, len(variants), slab):
            some = [variant for variant in planned if start <= variant.row < start + slab]
            size = min(slab, len(variants) - start)
            logits, clean = _logits(runs, answers, some, range(start, start + size), memory, bar)
            if isinstance(examples.answer, int):
                logits, clean = logits.squeeze(2), clean.squeeze(1)
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
        masked = not any("query" in here.site.axes for _, here in pairs)
        acting = tuple(pair for pair in pairs if reaches(pair[1], model.config, answers, masked))
        if acting:
            planned.append(Planned(row, acting, plan([here for _, here in acting], model.config)))
    return planned


def _logits(
    runs: Runs, answers: Tensor, planned: Sequence[Planned], span: range, memory: int, bar: Progress
) -> tuple[Float[Tensor, "variant batch answer class"], Float[Tensor, "batch answer class"]]:
    """Logits of the variants whose rows are in `span`, and the clean ones, block by block of the batch."""
    model, tokens = runs.model, runs.tokens
    rows_at_once = _rows_at_once(model.config, tokens.shape[1], memory)
    clean = model.W_E.new_empty(len(tokens), len(answers), model.config.d_vocab_out)
    logits = model.W_E.new_empty(len(span), *clean.shape)
    groups = _groups(planned)
    keep_freed_memory()
    for start in range(0, len(tokens), rows_at_once):
        rows = slice(start, min(start + rows_at_once, len(tokens)))
        plans, whole = [group[0].plan for group in groups], rows.stop - rows.start == len(tokens)
        resampled = runs.sites_to_resample() if whole else set()
        engine = Engine(model, tokens[rows], answers, plans, rows_at_once, resampled)
        if whole:
            runs.know_batch(engine.clean)
        clean[rows] = engine.clean_logits()
        logits[:, rows] = clean[rows]
        for group in groups:
            for chunk in _chunks(group, PARTS * engine.part):
                edits = [[edit(one, here, rows, runs) for one, here in variant.acting] for variant in chunk]
                positions = [v.plan.position for v in chunk if v.plan.position is not None]
                which = torch.tensor([variant.row - span.start for variant in chunk])
                logits[which, rows] = engine.logits(chunk[0].plan, positions, edits)
                bar.advance(len(chunk) * (rows.stop - rows.start))
    return logits, clean


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


def _variants_at_once(config: Config, tokens: Tensor, answers: Tensor, memory: int) -> int:
    """How many variants' logits to hold before they are measured."""
    return max(1, memory // (16 * 4 * len(tokens) * len(answers) * config.d_vocab_out))


def _measured(metric: Metric, logits: Tensor, clean: Tensor, labels: Tensor) -> Float[Tensor, "variant"]:
    values = metric(logits, clean, labels)
    if not isinstance(values, Tensor) or values.shape != logits.shape[:1]:
        got = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise UserError(
            f"the metric {name_of(metric)} returned {got}: it must return one number a variant, "
            f"{list(logits.shape[:1])}"
        )
    return values
