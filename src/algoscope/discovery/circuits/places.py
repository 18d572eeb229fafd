"""Kinds of positions at which edges are told apart: counted from the start, the answer, a token, the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples


@dataclass(frozen=True, eq=False)
class Places:
    """Names, and which of them each position of each input has."""

    names: tuple[str, ...]
    where: Int[Tensor, "batch seq"]

    def __getitem__(self, rows: slice | Sequence[int]) -> Places:
        """Those of some inputs, by the same names."""
        return Places(self.names, self.where[rows])


def absolute(examples: Examples) -> Places:
    """Positions counted from the start of the input."""
    return _counted(examples, torch.zeros_like(examples.tokens[:, 0]), "{}")


def from_answer(examples: Examples) -> Places:
    """Positions counted from the first answer: `answer`, `answer-2` is two places before it."""
    return _counted(examples, examples.answered.long().argmax(1), "answer{:+}")


def from_end(examples: Examples, pad: int | None) -> Places:
    """Positions counted from the last token that is not padding."""
    real = torch.ones_like(examples.answered) if pad is None else examples.tokens != pad
    places = torch.arange(real.shape[1], device=real.device)
    return _counted(examples, (real * places).amax(1), "end{:+}")


def from_token(examples: Examples, token: int, name: str) -> Places:
    """Positions counted from the first of this token. Raises UserError if an input lacks it."""
    found = examples.tokens == token
    if not found.any(1).all():
        raise UserError(f"some inputs have no {name}: count positions from the start, the answer or the end")
    return _counted(examples, found.long().argmax(1), f"{name}{{:+}}")


def _counted(examples: Examples, origin: Int[Tensor, "batch"], name: str) -> Places:
    """Each position by how far it is from its input's origin."""
    seq = examples.tokens.shape[1]
    distance = torch.arange(seq, device=origin.device) - origin[:, None]
    kinds, where = distance.unique(return_inverse=True)
    names = [name.format(kind) for kind in kinds.tolist()]
    return Places(tuple(each.removesuffix("+0") for each in names), where)
