"""Where the part begins that a place lies in, and the part before it."""

from __future__ import annotations

import torch

from algoscope.explanation.concepts import Codes
from algoscope.explanation.inputs import Inputs

NOWHERE = -1_000_000
"""Stands for the anchor of a part that there isn't: what is counted from it is outside the input."""


def last_anchor(inputs: Inputs) -> Codes:
    """Where the last anchor up to each place stands; -1 before the first, as if one stood before the input."""
    return torch.where(inputs.segment > 0, inputs.place - inputs.since_anchor, -1)


def anchor_before(inputs: Inputs) -> Codes:
    """Where the anchor before the last stands; -1 if the last is the first; NOWHERE if there is no part before."""
    last = last_anchor(inputs)
    earlier = last.gather(1, (last - 1).clamp(min=0))
    return torch.where(last > 0, earlier, NOWHERE)
