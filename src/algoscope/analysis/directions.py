"""Which direction, where a head reads, becomes a given direction where it writes?"""

from __future__ import annotations

from algoscope.analysis.attribution import Direction
from algoscope.analysis.batching import Mask
from algoscope.analysis.circuits import W_OV
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def through_head(
    direction: Direction, model: Transformer, head: Head, fit: LinearFit, where: str
) -> Direction:
    """The direction that the head turns into `direction`, in front of the norm that `fit` stands for.

    As if the head moved one position whole: a dot product with it is what the stream there contributes to
    `direction`, for each unit of attention. Its r² is the product of those on the way. Method: ARENA
    1.5.1, "pre-2.0 direction". Raises UserError for a head that does not exist.
    """
    read = W_OV(model, head).double() @ direction.vector.double()
    return Direction((fit.A.T @ read).float(), direction.towards, where, direction.r2 * fit.r2)


def attention_norm_fit(
    model: Transformer, examples: Examples, layer: int, position: int | Mask | None
) -> LinearFit:
    """The norm before a layer's attention, linearised at one position, at marked places, or over all."""
    return fit_norm(
        model.block(layer).ln1, values_at(model, examples, f"blocks.{layer}.hook_resid_pre", position)
    )
