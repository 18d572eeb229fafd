"""Which head plays this part? Found by what it does, never by its address."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from algoscope.analysis.attribution import Contributions
from algoscope.model.head import Head

LEAST_PUSH = 2.0
"""In logits: it multiplies the odds by e² = 7.4, so the head alone makes an even bet a likely answer."""
LEAST_SHARE = 0.25
"""Of what all components push together."""
CRITERION = (
    f"a mean push of at least {LEAST_PUSH:g} logits, and a quarter of what all components push together"
)


@dataclass(frozen=True)
class Role:
    """The head that pushes one kind of example furthest, if it pushes far enough to be called by a name."""

    head: Head | None
    push: float | None
    """The mean push of the strongest head, in logits, whether or not it is enough; None if unknown."""
    reason: str = ""
    """Why there is no such head."""


def strongest_head(pushed: Contributions | None, rows: Bool[Tensor, "row"], kind: str) -> Role:
    """The head with the largest mean contribution over these rows, which hold `kind` ("only negative")."""
    if pushed is None:
        return Role(None, None, "there is no example of the class that contributions are centred on")
    if not rows.any():
        return Role(None, None, f"there is no example of the kind {kind!r}")
    means = pushed.mean(rows)
    best = max(pushed.heads, key=means.__getitem__)
    push, total = means[best], sum(means.values())
    said = f"the strongest head, {best}, pushes {push:.2f} logits"
    if push < LEAST_PUSH:
        return Role(None, push, f"{said}: fewer than {LEAST_PUSH:g}")
    if push < LEAST_SHARE * total:
        return Role(None, push, f"{said}: less than a quarter of all {total:.2f}")
    return Role(best.head, push)
