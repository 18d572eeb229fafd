"""A sweep's values estimated from one gradient: for models too large for the exact one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.correlation import rank_correlation
from algoscope.errors import UserError
from algoscope.interventions.edits import edit
from algoscope.interventions.intervention import Intervention, Place, Variant, each, place, refuse_overwriting
from algoscope.interventions.metrics import Metric
from algoscope.interventions.needs import Inputs
from algoscope.interventions.results import Sweep, label, name_of
from algoscope.interventions.runs import Runs
from algoscope.model.sites import TOKENS, Site
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import check_labels
from algoscope.tasks.task import Examples

ROWS = 1024
"""Inputs per forward and backward pass."""

Acting = Sequence[tuple[Intervention, Place]]


def attribution_patching(
    model: Transformer, examples: Examples, interventions: Iterable[Variant], metric: Metric
) -> Sweep:
    """The metric of each intervention, to first order: clean metric + gradient · (new value - old value).

    One forward and one backward pass for all of them, whatever their number. Good where the model is
    nearly linear between the old value and the new one, poor for large changes and saturated softmaxes;
    `agreement` with the exact sweep of a part says how good. Needs a metric with a gradient that is a
    mean over the answers; KL from the clean run is at its minimum there, so its estimate is zero.
    Method: attribution patching (Nanda 2023). Raises UserError as `sweep` does.
    """
    variants = list(each(interventions))
    if not variants or not len(examples.labels):
        raise UserError(
            f"{len(variants)} interventions over {len(examples.labels)} answers of {len(examples)} examples: "
            "give at least one each"
        )
    check_labels(examples.labels, model.config.d_vocab_out)
    examples = examples.to(model.W_E.device)
    acting = [[(one, place(model, one, examples.tokens.shape[1])) for one in variant] for variant in variants]
    for variant in acting:
        refuse_overwriting(variant)
    sources = [(one.source, here.site) for variant in acting for one, here in variant]
    with torch.no_grad():
        runs = Runs(model, Inputs.of(examples), sources)
    clean = examples.tokens.new_zeros((), dtype=model.W_E.dtype)
    change = clean.repeat(len(variants))
    for start in range(0, len(examples), ROWS):
        rows = slice(start, min(start + ROWS, len(examples)))
        some = examples[rows]
        if not len(some.labels):
            continue
        share = len(some.labels) / len(examples.labels)
        measured, values, gradients = _gradients(model, some, acting, metric)
        clean += share * measured
        for row, variant in enumerate(acting):
            for one, here in variant:
                site = here.site.name
                change[row] += share * _effect(one, here, rows, runs, values[site], gradients[site])
    return Sweep(clean + change, clean, tuple(label(variant) for variant in variants), name_of(metric))


@dataclass(frozen=True)
class Agreement:
    """How well estimates follow exact values, over the interventions that both hold."""

    pearson: float
    spearman: float
    interventions: int


def agreement(exact: Sweep, estimated: Sweep) -> Agreement:
    """The correlations of two sweeps of the same interventions and metric; NaN where one is constant."""
    if exact.labels != estimated.labels or exact.measure != estimated.measure or exact.values.ndim != 1:
        raise UserError("these are sweeps of different interventions or metrics: give the same to both")
    pair = torch.stack((exact.values, estimated.values)).double()
    return Agreement(float(torch.corrcoef(pair)[0, 1]), rank_correlation(*pair), len(exact))


def _gradients(
    model: Transformer, examples: Examples, acting: Sequence[Acting], metric: Metric
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The clean metric, and the value and gradient of each site that is acted on."""
    values: dict[str, Tensor] = {}

    def follow(value: Tensor, site: Site) -> None:
        if not value.requires_grad:
            value.requires_grad_()
        values[site.name] = value

    sites = {here.site.name for variant in acting for _, here in variant}
    if TOKENS in sites:
        raise UserError(f"tokens have no gradient: intervene on hook_embed instead of {TOKENS}")
    with torch.enable_grad():
        hooks = [(name, follow) for name in model.sites if name in sites | {"hook_embed"}]
        every = model.run_with_hooks(examples.tokens, hooks, examples.position_ids)
        logits = examples.at_answers(every)
        measured = metric(logits[None], logits.detach(), examples.labels)[0]
        if measured.ndim:
            raise UserError(f"the metric {name_of(metric)} gives a number for each answer: give their mean")
        if not measured.requires_grad:
            raise UserError(f"the metric {name_of(metric)} has no gradient: give loss or a logit difference")
        found = torch.autograd.grad(measured, list(values.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(values.items(), found, strict=True)
    }
    return measured.detach(), {name: value.detach() for name, value in values.items()}, gradients


@torch.no_grad()
def _effect(
    one: Intervention, here: Place, rows: slice, runs: Runs, value: Tensor, gradient: Tensor
) -> Float[Tensor, ""]:
    change = edit(one, here, rows, runs)
    index = change.index(value.shape)
    step = change.value if change.adds else change.value - value[index]
    return (step * gradient[index]).sum()
