"""The parts of a model that write into the residual stream, as values: text is parsed once, at the door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Self

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head


class Kind(IntEnum):
    """What sort of component; the numbers are the order within a layer."""

    EMBEDDING = 0
    """Token plus position embedding."""
    TOKEN = 1
    POSITION = 2
    HEAD = 3
    MLP = 4
    ANSWER = 5
    """The final norm and the unembedding: it reads and writes nothing."""


Input = Literal["in", "q", "k", "v"]
"""Through what a receiver reads: a head's queries, keys or values; an MLP and the answer have one input."""
INPUTS: Mapping[Input, str] = {"in": "", "q": "queries", "k": "keys", "v": "values"}
"""What each is called."""

_NAMES = {
    Kind.EMBEDDING: "embedding",
    Kind.TOKEN: "token embedding",
    Kind.POSITION: "position embedding",
    Kind.ANSWER: "answer",
}
_BEFORE, _AFTER = -1, 1 << 30


@dataclass(frozen=True, order=True)
class Component:
    """One part of a model. Sorts in the order of the computation and prints as the field writes it.

    >>> str(Component.of(Head(2, 0))), str(Component.mlp(1)), str(EMBEDDING)
    ('2.0', 'MLP 1', 'embedding')
    >>> Component.parse("MLP 1") > Component.parse("1.0") > EMBEDDING
    True
    """

    layer: int
    kind: Kind
    index: int = 0
    """Which head of its layer; 0 for what is not a head."""

    @classmethod
    def of(cls, head: Head) -> Self:
        """The component that this head is."""
        return cls(head.layer, Kind.HEAD, head.index)

    @classmethod
    def mlp(cls, layer: int) -> Self:
        """The MLP of this layer."""
        return cls(layer, Kind.MLP)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The component called `2.0`, `MLP 1`, `embedding` ... Raises UserError for other text."""
        for kind, name in _NAMES.items():
            if text == name:
                return cls(_AFTER if kind is Kind.ANSWER else _BEFORE, kind)
        if match := re.fullmatch(r"MLP (\d+)", text):
            return cls.mlp(int(match[1]))
        if re.fullmatch(r"\d+\.\d+", text):
            return cls.of(Head.parse(text))
        raise UserError(f"{text!r} is no component: write a head as 2.0, an MLP as 'MLP 2', or 'embedding'")

    def __str__(self) -> str:
        if self.kind is Kind.HEAD:
            return f"{self.layer}.{self.index}"
        return f"MLP {self.layer}" if self.kind is Kind.MLP else _NAMES[self.kind]

    @property
    def words(self) -> str:
        """How a sentence names it: `head 2.0`, `MLP 1`, `the embedding`."""
        if self.kind is Kind.HEAD:
            return f"head {self}"
        return str(self) if self.kind is Kind.MLP else f"the {self}"

    def by(self, input: Input) -> str:
        """One of its inputs by name.

        >>> Component.parse("1.0").by("k"), Component.mlp(0).by("in")
        ('the keys of 1.0', 'MLP 0')
        """
        return f"the {INPUTS[input]} of {self}" if INPUTS[input] else str(self)

    def reads(self, sender: Component) -> bool:
        """Whether it reads after the sender has written. Heads of a layer read before any of them writes."""
        above = sender.layer == self.layer and (sender.kind, self.kind) == (Kind.HEAD, Kind.MLP)
        return sender.layer < self.layer or above

    @property
    def head(self) -> Head | None:
        """The head that it is, if it is one."""
        return Head(self.layer, self.index) if self.kind is Kind.HEAD else None

    @property
    def site(self) -> str:
        """Where its output stands alone: a head's `hook_z`, an MLP's `hook_mlp_out`, an embedding's site."""
        if self.kind is Kind.HEAD:
            return f"blocks.{self.layer}.attn.hook_z"
        if self.kind is Kind.MLP:
            return f"blocks.{self.layer}.hook_mlp_out"
        assert self.kind in (Kind.TOKEN, Kind.POSITION), f"{self} has no site of its own"
        return "hook_embed" if self.kind is Kind.TOKEN else "hook_pos_embed"

    def check(self, config: Config) -> Self:
        """Itself, if the model has it. Raises UserError that says which there are."""
        if self.head is not None:
            self.head.check(config)
        elif self.kind is Kind.MLP and not (config.d_mlp and 0 <= self.layer < config.n_layers):
            have = f"MLP 0 to MLP {config.n_layers - 1}" if config.d_mlp else "none: it is attention-only"
            raise UserError(f"{self} does not exist: the model's MLPs are {have}")
        return self


EMBEDDING = Component(_BEFORE, Kind.EMBEDDING)
TOKEN = Component(_BEFORE, Kind.TOKEN)
POSITION = Component(_BEFORE, Kind.POSITION)
ANSWER = Component(_AFTER, Kind.ANSWER)


def heads_and_mlps(config: Config, layers: int | None = None) -> tuple[Component, ...]:
    """Every head and MLP of the first `layers` layers (by default of all), in the order of the model."""
    found: list[Component] = []
    for layer in range(config.n_layers if layers is None else layers):
        found += [Component.of(Head(layer, index)) for index in range(config.n_heads)]
        found += [Component.mlp(layer)] if config.d_mlp else []
    return tuple(found)
