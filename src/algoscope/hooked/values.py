"""What a run left at each site, under short names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from algoscope.errors import UserError
from algoscope.hooked.absent import CACHE, absent
from algoscope.hooked.utils import get_act_name

if TYPE_CHECKING:
    from algoscope.hooked.model import HookedTransformer

Places = int | slice | tuple[int, ...] | list[int] | Tensor | np.ndarray[Any, Any] | None
"""Places along an axis: one, which takes the axis away, several, or None for all. A tuple is a slice's."""


class Values(Mapping[str, Tensor]):
    """Values by site: `cache["blocks.0.attn.hook_q"]`, `cache["q", 0]`, `cache["scale", 0, "ln1"]`.

    A negative layer counts from the last. Values carry no gradient. Raises KeyError for a site
    that the run did not keep.
    """

    def __init__(
        self, cache_dict: Mapping[str, Tensor], model: HookedTransformer, has_batch_dim: bool = True
    ) -> None:
        self.cache_dict = dict(cache_dict)
        self.model = model
        self.has_batch_dim = has_batch_dim

    def __getitem__(self, key: str | tuple[Any, ...]) -> Tensor:
        if not isinstance(key, str | tuple):
            raise KeyError(f"{key!r} is no site: write cache['pattern', 0], or its full name")
        given = (key,) if isinstance(key, str) else key
        if len(given) > 1 and isinstance(given[1], int) and given[1] < 0:
            given = (given[0], self.model.cfg.n_layers + given[1], *given[2:])
        name = get_act_name(*given)
        if name in self.cache_dict:
            return self.cache_dict[name]
        near = get_close_matches(name, self.cache_dict, n=1, cutoff=0)
        hint = f"the nearest that is there is {near[0]!r}" if near else "it is empty"
        raise KeyError(
            f"{name!r} is not in this cache ({hint}): is it in `names_filter`, and in `hook_dict`?"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise absent(type(self).__name__, name, CACHE, dir(type(self)))

    def __contains__(self, key: object) -> bool:
        return key in self.cache_dict or (isinstance(key, str) and get_act_name(key) in self.cache_dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.cache_dict)

    def __len__(self) -> int:
        return len(self.cache_dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__} with keys {list(self.cache_dict)}"

    def to(self, device: torch.device | str) -> Self:
        """Moves the values to a device, in place."""
        self.cache_dict = {name: value.to(device) for name, value in self.items()}
        return self

    def remove_batch_dim(self) -> Self:
        """Takes the batch axis off every value, in place. Raises UserError for more than one input."""
        if not self.has_batch_dim:
            return self
        sizes = {len(value) for value in self.values()} - {1}
        if sizes:
            raise UserError(f"only a batch of one has no need of its axis: this one has {min(sizes)} inputs")
        self.cache_dict = {name: value[0] for name, value in self.items()}
        self.has_batch_dim = False
        return self

    def apply_slice_to_batch_dim(self, batch_slice: Places) -> Self:
        """A cache of some of the inputs; of one, without its axis, for an integer."""
        if not self.has_batch_dim:
            raise UserError("this cache is of one input: its batch axis was taken off")
        sliced = {name: sliced_at(value, batch_slice, 0) for name, value in self.items()}
        return type(self)(sliced, self.model, has_batch_dim=not isinstance(batch_slice, int))


def sliced_at(value: Tensor, places: Places, axis: int) -> Tensor:
    """What stands at these places along one axis."""
    if places is None:
        return value
    if isinstance(places, tuple):
        places = slice(*places)
    if isinstance(places, np.ndarray):
        places = torch.from_numpy(places)
    index: list[Any] = [slice(None)] * value.ndim
    index[axis] = places
    return value[tuple(index)]
