"""Where does a head look?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.analysis.reading import values_at
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def attention_from(
    model: Transformer, examples: Examples, head: Head, query: int | Mask
) -> Float[Tensor, "row key"]:
    """The attention of a head from one position, or from marked places, to every position; rows sum to 1.

    On the CPU. Raises UserError for a head that does not exist.
    """
    found = values_at(model, examples, head.check(model.config).site("hook_pattern"), query)
    return found[:, head.index] if len(found) else torch.zeros(0, examples.tokens.shape[1])


def attention_patterns(
    model: Transformer, examples: Examples, head: Head
) -> Float[Tensor, "batch query key"]:
    """The whole attention pattern of a head on each input, padding included. On the CPU."""
    return values_at(model, examples, head.check(model.config).site("hook_pattern"))[:, head.index]
