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
from algoscope.interventions.runs import Runs
from algoscope.model.sites import Cache
from algoscope.model.transformer import Transformer


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
) -> Run:
    """Logits of a run in which these interventions act together, and the cache of `sites`.

    Sources take their values from runs without interventions. `labels` is needed only for means per
    class. Raises UserError for a selection that does not exist, a source of a wrong shape, and two
    interventions that overwrite the same values.
    """
    (chosen,) = each([interventions])
    places = [place(model, one, tokens.shape[1]) for one in chosen]
    refuse_overwriting(list(zip(chosen, places, strict=True)))
    runs = Runs(
        model, tokens, labels, [(one.source, here.site) for one, here in zip(chosen, places, strict=True)]
    )
    edits = [edit(one, here, slice(None), runs) for one, here in zip(chosen, places, strict=True)]
    logits, cache = model.run_with_cache(tokens, sites=sites, hooks=stacked_hooks([edits]))
    return Run(logits, cache)
