"""What stands in the place of what an edge carries: another input's, the mean over inputs, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.components import decompose_everywhere
from algoscope.model.component import heads_and_mlps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@dataclass(frozen=True, eq=False)
class Written:
    """What each sender of a model writes into the stream. Biases of attention are no one head's."""

    outputs: Float[Tensor, "sender batch seq d_model"]
    """In the order of `Graph.senders`; a batch of 1 stands for every input."""


@torch.no_grad()
def written(model: Transformer, examples: Examples) -> Written:
    """What each sender writes on these inputs."""
    return Written(decompose_everywhere(model, examples)[1])


def nothing(model: Transformer, examples: Examples) -> Written:
    """Zeros: what zero ablation puts in the place of everything."""
    senders = 2 + len(heads_and_mlps(model.config))
    shape = (senders, 1, examples.tokens.shape[1], model.config.d_model)
    return Written(torch.zeros(shape, device=model.W_E.device, dtype=model.W_E.dtype))


def averaged(model: Transformer, reference: Examples, across_places: bool = False) -> Written:
    """The mean over inputs, position by position, or one mean over all positions too; padding is left out."""
    found = written(model, reference).outputs
    pad = model.config.pad_token
    real = torch.ones_like(reference.answered) if pad is None else reference.tokens != pad
    weight = real.to(found)[:, :, None]
    over = (1, 2) if across_places else (1,)
    mean = (found * weight).sum(over, keepdim=True) / weight.sum([axis - 1 for axis in over]).clamp(min=1)
    return Written(mean.expand(-1, -1, reference.tokens.shape[1], -1))
