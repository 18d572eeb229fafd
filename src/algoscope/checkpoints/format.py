"""What a format of files has to say about itself, and what it gives: weights in HookedTransformer's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from algoscope.checkpoints.content import Content
from algoscope.checkpoints.settings import Inference
from algoscope.errors import UserError


@dataclass(frozen=True, eq=False)
class Converted:
    """Weights in HookedTransformer's names and shapes, and the settings that the file states."""

    state: Mapping[str, Tensor]
    stated: tuple[Inference, ...] = ()
    untold: tuple[str, ...] = ()
    """What would change the results, leaves no trace in such a file, and is therefore assumed absent."""


@dataclass(frozen=True)
class Format:
    """One kind of file. Recognised by the names of its tensors, and by their shapes."""

    name: str
    """For people: "Hugging Face GPT-2"."""
    recognises: Callable[[Mapping[str, Tensor]], bool]
    convert: Callable[[Content, Mapping[str, object]], Converted]
    """From the content, and the settings that the user gave. Raises UserError for a part that is missing."""


def take(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """The tensor of this name. Raises UserError if there is none."""
    if name not in tensors:
        raise UserError(f"no {name}, which belongs to this format: the file is incomplete")
    return tensors[name]


def whole_number(name: str, given: Mapping[str, object], stated: object, what: str) -> int:
    """A size that shapes don't tell: the user's, else the file's. Raises UserError if nobody says."""
    value = given.get(name, stated)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{what} doesn't say {name}: give {name}= (on the command line, --set {name}=)")
    return value
