"""The name of a head, `layer.head`: text becomes a value once, and the value prints back as the same text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from algoscope.errors import UserError
from algoscope.model.config import Config


@dataclass(frozen=True, order=True)
class Head:
    """An attention head by layer and index, both from 0."""

    layer: int
    index: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The head called `2.0`. Raises UserError for other text."""
        match = re.fullmatch(r"(\d+)\.(\d+)", text)
        if match is None:
            raise UserError(f"{text!r} is no head: write layer.head, e.g. 2.0")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.layer}.{self.index}"

    def site(self, name: str) -> str:
        """The full name of a site of its layer's attention: `hook_z` -> `blocks.2.attn.hook_z`."""
        return f"blocks.{self.layer}.attn.{name}"

    def check(self, config: Config) -> Self:
        """Itself, if the model has it. Raises UserError that says which heads there are."""
        if self.layer >= config.n_layers or self.index >= config.n_heads:
            raise UserError(
                f"head {self} does not exist: the model has layers 0-{config.n_layers - 1} "
                f"with {config.n_heads} heads each"
            )
        return self


def every_head(config: Config) -> tuple[Head, ...]:
    """All heads, layer by layer."""
    return tuple(Head(layer, index) for layer in range(config.n_layers) for index in range(config.n_heads))
