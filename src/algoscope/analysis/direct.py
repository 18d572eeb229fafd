"""How far does each component push the answer by itself, with the last norm left out?"""

from __future__ import annotations

import torch
from einops import einsum

from algoscope.analysis.attribution import Contributions, Direction
from algoscope.analysis.components import Components
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def direct_contributions(
    model: Transformer, examples: Examples, components: Components, direction: Direction
) -> Contributions:
    """Each component's dot product with a direction, on each example: not centred, and not scaled.

    Token and position embedding are two components here. Unit: logits times the final norm's scale, which
    differs from input to input. `components` are those where the examples' single answer is read, before
    the final norm; give a processed model, whose final norm has no weights. Method: direct logit
    attribution, as in the ARENA palindrome analysis.
    """
    assert isinstance(examples.answer, int), "the answer is read at one position"
    tokens = examples.tokens[:, examples.answer].cpu()
    position = range(examples.tokens.shape[1])[examples.answer]
    token = model.W_E.detach().cpu()[tokens]
    place = model.W_pos.detach().cpu()[position].expand_as(token)
    parts = torch.cat([torch.stack([token, place]), components.values[1:]])
    values = einsum(parts, direction.vector, "component row d_model, d_model -> component row")
    names = ("token embedding", "position embedding", *components.names[1:])
    return Contributions(names, values, direction.towards)
