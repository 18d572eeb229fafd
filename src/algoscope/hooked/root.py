"""Which hooks are part of a run: those that were added, those of a `with` block, those of the call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Self

from torch import nn

from algoscope.errors import UserError
from algoscope.hooked.arguments import Fixed, refuse
from algoscope.hooked.hook_points import HookFunction, HookPoint, Points
from algoscope.model.sites import Hook, find

Where = str | HookPoint | Callable[[str], bool]
"""The full name of a site, its hook point, or a function that is true of the names that are meant."""
FwdHooks = Iterable[tuple[Where, HookFunction]]

FIXED: Mapping[str, Fixed] = {
    "bwd_hooks": Fixed(([], (), None), "hooks see values, not gradients"),
    "reset_hooks_end": Fixed((True,), "hooks end with the call that set them; add_hook makes one that stays"),
}
WITHOUT_EFFECT = ("clear_contexts",)


class HookedRoot(nn.Module):
    """A module whose sites have hook points, by name in `hook_dict`, and as attributes where they belong."""

    hook_dict: Points

    @property
    def mod_dict(self) -> dict[str, nn.Module | HookPoint]:
        """Every module and hook point by its full name."""
        return {name: module for name, module in self.named_modules() if name} | self.hook_dict

    def hook_points(self) -> Iterable[HookPoint]:
        return self.hook_dict.values()

    def _hooks(self, fwd_hooks: FwdHooks) -> list[tuple[str, Hook]]:
        """What was added, then those of this run, as a run of ours takes them."""
        of_the_call = [
            (point.name, point.called(hook)) for where, hook in fwd_hooks for point in self._points(where)
        ]
        return self.hook_dict.added() + of_the_call

    def _points(self, where: Where) -> list[HookPoint]:
        """The hook points that are meant. Raises UserError if there is none."""
        if isinstance(where, HookPoint):
            if self.hook_dict.get(where.name) is not where:
                raise UserError(f"{where} is another model's: give its name, {where.name!r}")
            return [where]
        if not callable(where):
            return [self.hook_dict[find(self.hook_dict.sites, where).name]]
        found = [point for name, point in self.hook_dict.items() if where(name)]
        if not found:
            raise UserError("a hook's filter is true of no site: `model.hook_dict` has their names")
        return found

    def add_hook(
        self,
        name: Where,
        hook: HookFunction,
        dir: str = "fwd",
        is_permanent: bool = False,
        level: int | None = None,
        prepend: bool = False,
    ) -> None:
        """Makes a hook part of every run until `reset_hooks`."""
        for point in self._points(name):
            point.add_hook(hook, dir, is_permanent, level, prepend)

    def add_perma_hook(self, name: Where, hook: HookFunction, dir: str = "fwd") -> None:
        """Makes a hook part of every run, until `reset_hooks(including_permanent=True)`."""
        self.add_hook(name, hook, dir, is_permanent=True)

    def reset_hooks(
        self,
        clear_contexts: bool = True,
        direction: str = "both",
        including_permanent: bool = False,
        level: int | None = None,
    ) -> None:
        """Removes what was added: all, or that of one level; what is permanent only if asked for."""
        for point in self.hook_dict.values():
            point.remove_hooks(including_permanent=including_permanent, level=level)
            if clear_contexts:
                point.clear_context()

    @contextmanager
    def hooks(self, fwd_hooks: FwdHooks = (), **rest: object) -> Iterator[Self]:
        """These hooks in every run within a `with` block."""
        refuse("hooks", rest, FIXED, WITHOUT_EFFECT, ("fwd_hooks",))
        with ExitStack() as stack:
            for where, hook in fwd_hooks:
                for point in self._points(where):
                    stack.enter_context(point.during(hook))
            yield self
