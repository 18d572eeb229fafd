"""Single numpy numbers in a pickle, as plain ones: TransformerLens's configs and training records have some.

numpy's own functions are not let in: `scalar` builds objects of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from algoscope.errors import UserError


class Kind:
    """Stands for a numpy dtype: "f8", "i4" ..."""

    def __init__(self, name: str, *rest: object) -> None:
        self.name, self.order = str(name), ""

    def __setstate__(self, state: object) -> None:
        """The state begins with a version and the byte order."""
        self.order = str(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""


def number(kind: Kind, data: bytes) -> float:
    """The number with these bytes."""
    name = kind.order + kind.name if isinstance(kind, Kind) else ""
    if not isinstance(data, bytes) or not re.fullmatch(r"[<>|=]?[biuf][1248]", name):
        raise UserError("it holds numpy values that are no numbers beside its tensors: leave them out")
    plain: float = np.frombuffer(data, np.dtype(name), 1)[0].item()
    return plain


PLAIN: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (number, "numpy.core.multiarray.scalar"),
    (number, "numpy._core.multiarray.scalar"),
    (Kind, "numpy.dtype"),
]
"""For `torch.serialization.safe_globals`."""
