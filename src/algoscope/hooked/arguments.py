"""Arguments of the old names that we don't take: which values change nothing, and what the others ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from algoscope.errors import UserError


@dataclass(frozen=True)
class Fixed:
    """An argument that has one meaning here."""

    means: tuple[object, ...]
    """The values that say what is so anyway; the first is how it reads."""
    because: str
    """What is so, and what to do instead: the end of the message for any other value."""


def refuse(
    call: str,
    rest: Mapping[str, object],
    fixed: Mapping[str, Fixed],
    without_effect: Collection[str],
    known: Collection[str] = (),
) -> None:
    """Raises UserError for an argument that is unknown, or whose value asks for what is not there."""
    for name, value in rest.items():
        if name in fixed:
            if not any(value is same or value == same for same in fixed[name].means):
                raise UserError(f"{call}: {name}={value!r} is not supported: {fixed[name].because}")
        elif name not in without_effect:
            near = get_close_matches(name, [*known, *fixed, *without_effect], n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            raise UserError(f"{call} has no {name}: {hint}")
