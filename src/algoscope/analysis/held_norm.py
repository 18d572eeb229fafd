"""What would neurons write if the norm before their MLP divided every input by the same number?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.attribution import Direction
from algoscope.analysis.batching import BATCH
from algoscope.analysis.reading import values_at
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.sources import Value
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def neurons_with_held_norm(
    model: Transformer, examples: Examples, layer: int, direction: Direction, position: int
) -> Float[Tensor, "row neuron"]:
    """Each neuron's contribution along a direction, with the scale of the norm before it held at its mean.

    The scale is what makes a norm more than a linear map: what a neuron tells by it is lost here. The mean is
    over the examples, at this position. For a model that has norms; else `neurons_along` is the same.
    """
    norm, post = f"blocks.{layer}.ln2.hook_scale", f"blocks.{layer}.mlp.hook_post"
    mean = values_at(model, examples, norm, position).mean().view(1, 1, 1)
    held = Intervention(norm, Value(mean.to(model.W_E.device)))
    read = [
        run(model, part.tokens.to(model.W_E.device), held, sites=[post]).cache[post][:, position].cpu()
        for part in examples.batches(BATCH)
    ]
    return torch.cat(read) * (model.W_out[layer].detach().cpu() @ direction.vector)
