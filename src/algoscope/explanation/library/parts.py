"""Where the part of an input begins and ends that a place lies in, and the part before it."""

from __future__ import annotations

import torch

from algoscope.explanation.concepts import Codes
from algoscope.explanation.inputs import Inputs

NOWHERE = -1_000_000
"""Stands for the anchor of a part that there isn't: what is counted from it is outside the input."""


def is_anchor(inputs: Inputs) -> torch.Tensor:
    """Where an anchor stands."""
    return inputs.real & ~inputs.letter


def last_anchor(inputs: Inputs) -> Codes:
    """Where the last anchor up to a place stands; -1 before the first, as if one stood before the input."""
    return torch.where(inputs.segment > 0, inputs.place - inputs.since_anchor, -1)


def next_anchor(inputs: Inputs) -> Codes:
    """Where the first anchor behind a place stands; the input's length behind the last."""
    stands = torch.where(is_anchor(inputs), inputs.place, inputs.length)
    ahead = stands.flip(1).cummin(1).values.flip(1)
    return torch.cat([ahead[:, 1:], inputs.length], 1)


def anchor_before(inputs: Inputs) -> Codes:
    """Where the anchor before the last stands; -1 if the last is the first; NOWHERE without a part before."""
    last = last_anchor(inputs)
    earlier = last.gather(1, (last - 1).clamp(min=0))
    return torch.where(last > 0, earlier, NOWHERE)


def mirror(inputs: Inputs) -> Codes:
    """The place that is as far from the end of this part as this place is from its start."""
    return last_anchor(inputs) + next_anchor(inputs) - inputs.place
