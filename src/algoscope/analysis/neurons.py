"""What does each neuron write, and what does it detect?

An MLP is a memory of keys and values: each neuron compares the stream with its input direction (the key)
and writes its output direction (the value) as strongly as it is activated (Geva et al. 2021).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.attribution import Direction
from algoscope.analysis.batching import Mask
from algoscope.analysis.reading import values_at
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

MOVES = 0.1
"""Logits by which a neuron's mean must differ from that at one half to count as a rise or a fall."""
KINDS = ("more than half", "less than half", "exactly half", "opposite", "neither")


def neuron_activations(
    model: Transformer, examples: Examples, layer: int, position: int | Mask | None = None
) -> Float[Tensor, "row *seq neuron"]:
    """`mlp.hook_post` of a layer, at one position, at marked places, or at all. On the CPU.

    Raises UserError for a layer that does not exist and for an attention-only model.
    """
    config = model.config
    if config.d_mlp is None:
        raise UserError("this model is attention-only: it has no neurons")
    if not 0 <= layer < config.n_layers:
        raise UserError(f"layer {layer} does not exist: the model has layers 0-{config.n_layers - 1}")
    return values_at(model, examples, f"blocks.{layer}.mlp.hook_post", position)


def output_by_neuron(
    model: Transformer, examples: Examples, layer: int, position: int | Mask | None = None
) -> Float[Tensor, "row *seq neuron d_model"]:
    """The vector that each neuron writes; over neurons they add up to the MLP's output less `b_out`.

    d_model times as large as the activations: `neurons_along` gives dot products without it.
    """
    post = neuron_activations(model, examples, layer, position)
    W_out = model.W_out[layer].detach().cpu()
    return einsum(post, W_out, "... neuron, neuron d_model -> ... neuron d_model")


def neurons_along(
    model: Transformer,
    examples: Examples,
    layer: int,
    direction: Direction,
    position: int | Mask | None = None,
) -> Float[Tensor, "row *seq neuron"]:
    """Each neuron's contribution along a direction, without forming the vectors that it writes."""
    post = neuron_activations(model, examples, layer, position)
    return post.mul_(model.W_out[layer].detach().cpu() @ direction.vector.to(post))


@dataclass(frozen=True)
class NeuronKinds:
    """What each neuron of a layer responds to, by its mean contribution on either side of one half."""

    layer: int
    means: Float[Tensor, "neuron side"]
    """Where a share is below one half, exactly one half, and above."""

    @property
    def rises(self) -> Float[Tensor, "neuron 2"]:
        """How far the mean below one half, and that above, lie over the mean at one half."""
        return self.means[:, [0, 2]] - self.means[:, 1:2]

    @property
    def strength(self) -> Float[Tensor, "neuron"]:
        """The larger of the two differences from one half, whatever its sign."""
        return self.rises.abs().amax(1)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each neuron marks by writing more in the direction: one of KINDS.

        "more than half": it rises above one half and not below it. "less than half": the mirror image.
        "exactly half": it rises on both sides, so it tells one half from all else. "opposite": it rises
        on neither side and falls on one at least. "neither": it does not move. A rise or fall is a
        difference of more than MOVES.
        """
        return tuple(_kind(below, above) for below, above in self.rises.tolist())

    def count(self) -> dict[str, int]:
        """How many neurons there are of each of KINDS."""
        found = Counter(self.kinds)
        return {kind: found[kind] for kind in KINDS}

    def ranked(self) -> list[int]:
        """The neurons, strongest first."""
        return self.strength.argsort(descending=True, stable=True).tolist()


def neuron_kinds(
    layer: int, along: Float[Tensor, "row neuron"], share: Float[Tensor, "row"]
) -> NeuronKinds | None:
    """What each neuron's contribution along a direction has to do with a share that matters at one half.

    None unless there are examples below one half, at it, and above it.
    """
    sides = (share < 0.5, share == 0.5, share > 0.5)
    if not all(side.any() for side in sides):
        return None
    means = torch.stack([along[side].double().mean(0) for side in sides], 1)
    return NeuronKinds(layer, means.float())


def _kind(below: float, above: float) -> str:
    if above > MOVES:
        return "exactly half" if below > MOVES else "more than half"
    if below > MOVES:
        return "less than half"
    return "opposite" if min(above, below) < -MOVES else "neither"
