"""The named places of a model, as hooks get to see them, with the hooks that were added to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol

from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.sites import Hook, Site, Taps, editing, find


class HookFunction(Protocol):
    """Called as `function(value, hook=point)`; returns the new value, or None to keep what it was given."""

    def __call__(self, value: Tensor, /, *, hook: HookPoint) -> Tensor | None: ...


@dataclass(frozen=True, eq=False)
class Added:
    """A hook that stays until it is removed."""

    function: HookFunction
    permanent: bool
    level: int | None = None
    """A number that it can be removed by, with all others of that number."""


class HookPoint:
    """One site of one model. `ctx` is for whatever hooks want to remember."""

    def __init__(self, site: Site) -> None:
        self.name = site.name
        self.ctx: dict[Any, Any] = {}
        self._layer = site.layer
        self._added: list[Added] = []

    def layer(self) -> int:
        """The block that it is in. Raises UserError before and after the blocks."""
        if self._layer is None:
            raise UserError(f"{self.name!r} is in no layer: it stands before or after the blocks")
        return self._layer

    def add_hook(
        self,
        hook: HookFunction,
        dir: str = "fwd",
        is_permanent: bool = False,
        level: int | None = None,
        prepend: bool = False,
    ) -> None:
        """Makes this hook part of every run until `remove_hooks`; a permanent one until that is asked for."""
        forward_only(dir)
        self._added.insert(0 if prepend else len(self._added), Added(hook, is_permanent, level))

    def add_perma_hook(self, hook: HookFunction, dir: str = "fwd") -> None:
        self.add_hook(hook, dir, is_permanent=True)

    def remove_hooks(
        self, dir: str = "fwd", including_permanent: bool = False, level: int | None = None
    ) -> None:
        """Removes what was added: all, or that of one level; what is permanent only if asked for."""
        kept = [each for each in self._added if each.permanent or level not in (None, each.level)]
        self._added = [] if including_permanent else kept

    @contextmanager
    def during(self, hook: HookFunction) -> Iterator[None]:
        """Adds the hook for the time of a `with` block."""
        added = Added(hook, permanent=False)
        self._added.append(added)
        try:
            yield
        finally:
            self._added = [each for each in self._added if each is not added]

    def hooks(self) -> list[tuple[str, Hook]]:
        """What was added, in order, as a run of ours takes it."""
        return [(self.name, self.called(each.function)) for each in self._added]

    def called(self, function: HookFunction) -> Hook:
        """The function as a hook of ours."""
        takes_hook(function)
        return lambda value, site: function(value, hook=self)

    def clear_context(self) -> None:
        self.ctx.clear()

    def __repr__(self) -> str:
        return f"HookPoint({self.name!r})"


class Points(dict[str, HookPoint]):
    """The hook points of one model, by the full name of their site."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        super().__init__((name, HookPoint(site)) for name, site in sites.items())
        self.sites = sites

    def __missing__(self, name: str) -> HookPoint:
        try:
            return self[find(self.sites, name).name]
        except UserError as error:
            raise KeyError(str(error)) from None

    def inside(self, part: str) -> dict[str, HookPoint]:
        """Those of one part of the model, by the last word of their name: `hook_q` of `blocks.0.attn`."""
        split = ((name.rpartition("."), point) for name, point in self.items())
        return {last: point for (before, _, last), point in split if before == part}

    def added(self) -> list[tuple[str, Hook]]:
        """What was added to any of them, as a run of ours takes it."""
        return [each for point in self.values() for each in point.hooks()]

    def taps(self) -> Taps:
        """The same, for a part of a run."""
        return Taps(self.sites, [(name, editing(hook)) for name, hook in self.added()])


def takes_hook(function: HookFunction) -> None:
    """Raises UserError for a function that can't be called as `function(value, hook=point)`."""
    try:
        signature(function).bind(None, hook=None)
    except TypeError as error:
        raise UserError(
            f"a hook is called as hook(value, hook=point), and this one can't be: {error}"
        ) from None
    except ValueError:
        # Some functions of torch and Python don't say what they take.
        return


def forward_only(dir: str) -> None:
    if dir != "fwd":
        raise UserError(
            f"dir={dir!r}: hooks see values, not gradients; for a gradient, call torch.autograd.grad on "
            "values that a hook kept, or algoscope.interventions.attribution_patching"
        )
