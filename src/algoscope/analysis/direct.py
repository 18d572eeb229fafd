"""How far does each component push the answer by itself, with the last norm left out?"""

from __future__ import annotations

from einops import einsum

from algoscope.analysis.attribution import Contributions, Direction
from algoscope.analysis.components import Components, embeddings_apart
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


def direct_contributions(
    model: Transformer, examples: Examples, components: Components, direction: Direction
) -> Contributions:
    """Each component's dot product with a direction, at each answer: not centred, and not scaled.

    Token and position embedding are two components here. Unit: logits times the final norm's scale, which
    differs from input to input. `components` are those where the examples are answered, before the final
    norm; give a processed model, whose final norm has no weights. Method: direct logit attribution, as in
    the ARENA palindrome analysis.
    """
    apart = embeddings_apart(model, examples, examples.answered, components)
    vector = direction.vector.to(apart.values)
    values = einsum(apart.values, vector, "component row d_model, d_model -> component row")
    return Contributions(apart.parts, values, direction.towards)
