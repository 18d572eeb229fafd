"""Where to compute."""

from __future__ import annotations

import torch

from algoscope.errors import UserError


def usable(device: str) -> torch.device:
    """The device of this name. Raises UserError if this machine can't compute on it."""
    try:
        return torch.zeros(1, device=device).device
    # What torch raises depends on the device and on how torch was built.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"can't use the device {device!r} here ({reason}): cpu always works") from error
