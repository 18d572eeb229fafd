"""One run with interventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.interventions.edits import edit
from algoscope.interventions.engine import stacked_hooks
from algoscope.interventions.intervention import Variant, each, place, refuse_overwriting
from algoscope.interventions.needs import Inputs
from algoscope.interventions.order import acting, times
from algoscope.interventions.runs import Runs
from algoscope.model.sites import Cache
from algoscope.model.transformer import PositionIds, Transformer


@dataclass(frozen=True, eq=False)
class Run:
    """What a run with interventions gave."""

    logits: Float[Tensor, "batch seq class"]
    cache: Cache
    """The sites that were asked for, as the interventions left them."""


@torch.no_grad()
def run(
    model: Transformer,
    tokens: Int[Tensor, "batch seq"],
    interventions: Variant,
    *,
    sites: Sequence[str] = (),
    labels: Int[Tensor, "batch"] | None = None,
    position_ids: PositionIds = None,
) -> Run:
    """Logits of a run in which these interventions act together, and the cache of `sites`.

    Sources take their values from runs without interventions. `labels` is needed only for means per
    class; without `position_ids`, inputs start at position 0. Raises UserError for a selection that does
    not exist, a source of a wrong shape, and two interventions that overwrite the same values.
    """
    (chosen,) = each([interventions])
    places = [place(model, one, tokens.shape[1]) for one in chosen]
    pairs = list(zip(chosen, places, strict=True))
    refuse_overwriting(pairs, model.config)
    batch = Inputs(tokens, position_ids, labels)
    runs = Runs(model, batch, [(one.source, here.site) for one, here in pairs])
    found = acting(pairs, times(model.sites))
    edits = [edit(each.one, each.place, slice(None), runs, each.live) for each in found]
    hooks = stacked_hooks([edits])
    logits, cache = model.run_with_cache(tokens, sites, hooks, position_ids)
    return Run(logits, cache)
