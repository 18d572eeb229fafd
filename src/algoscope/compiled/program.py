"""A program: an expression, the inputs that it is asked about, and where its value is the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from algoscope.compiled.language import BOS, Discrete

PAD = "<pad>"
Answered = Literal["every", "last"]
"""Whether the answer is read at every letter or at the last one."""


@dataclass(frozen=True, eq=False)
class Program:
    """What a model is compiled from. Write one with `@program`."""

    name: str
    asks: str
    alphabet: str
    lengths: tuple[int, ...]
    """How many letters an input may have, in order."""
    causal: bool
    """Whether a position sees only what stands before it, and itself."""
    answered: Answered
    answer: Discrete

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The letters, `<bos>`, and `<pad>` if lengths differ."""
        return (*self.alphabet, BOS, PAD) if len(self.lengths) > 1 else (*self.alphabet, BOS)

    @property
    def longest(self) -> int:
        return self.lengths[-1]

    @property
    def answers_at(self) -> tuple[int, ...]:
        """The positions at which some input is answered."""
        return tuple(range(1, self.longest + 1)) if self.answered == "every" else self.lengths


def program(
    alphabet: str, length: int | range, *, causal: bool = False, answered: Answered = "every"
) -> Callable[[Callable[[], Discrete]], Program]:
    """Makes a `Program` of a function that returns its answer: its name and docstring become the program's.

    >>> from operator import eq
    >>> from algoscope.compiled.language import select, tokens, width
    >>> @program("abc", length=5)
    ... def histogram():
    ...     "How often does the letter here occur?"
    ...     return width(select(tokens, tokens, eq))
    >>> histogram.name, histogram.asks
    ('histogram', 'How often does the letter here occur?')
    """
    lengths = (length,) if isinstance(length, int) else tuple(length)

    def made(body: Callable[[], Discrete]) -> Program:
        name, asks = body.__name__.replace("_", "-"), (body.__doc__ or "").strip()
        return Program(name, asks, alphabet, lengths, causal, answered, body())

    return made
