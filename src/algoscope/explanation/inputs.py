"""What can be said of inputs without knowing their task: letters, anchors, places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.tasks.task import Examples, Task


@dataclass(frozen=True)
class Language:
    """What is the same in every input of a task, as a sample of inputs shows it."""

    words: tuple[str, ...]
    """What each token id is called."""
    pad: int | None
    anchors: tuple[int, ...]
    """Tokens that stand once in every input, in the order in which they come: start, separator, end."""
    letters: tuple[int, ...]
    """The other tokens that occur, by id."""
    ordered: bool
    """Whether the letters are numbers that ascend with their ids."""
    shifted: bool
    """Whether inputs begin at different position embeddings."""
    causal: bool
    """Whether a position sees nothing behind it."""

    @property
    def size(self) -> int:
        return len(self.words)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs of a language, and where everything is in them."""

    tokens: Int[Tensor, "batch seq"]
    position_ids: Int[Tensor, "batch seq"]
    """Which position embedding each place gets."""
    language: Language

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def place(self) -> Int[Tensor, "1 seq"]:
        """0, 1, 2 ... in every input, wherever its position embeddings begin."""
        return torch.arange(self.tokens.shape[1], device=self.tokens.device)[None]

    @cached_property
    def real(self) -> Bool[Tensor, "batch seq"]:
        """Where there is a token and not padding."""
        return self.tokens != (-1 if self.language.pad is None else self.language.pad)

    @cached_property
    def letter(self) -> Bool[Tensor, "batch seq"]:
        """Where there is a letter: neither an anchor nor padding."""
        other = torch.tensor([*self.language.anchors, *self._pads], device=self.tokens.device)
        return ~torch.isin(self.tokens, other)

    @cached_property
    def length(self) -> Int[Tensor, "batch 1"]:
        """How many places are not padding."""
        return self.real.sum(1, keepdim=True)

    @cached_property
    def segment(self) -> Int[Tensor, "batch seq"]:
        """How many anchors stand at or before each place."""
        return self._is_anchor.cumsum(1)

    @cached_property
    def since_anchor(self) -> Int[Tensor, "batch seq"]:
        """How many places the last anchor lies back: 0 at an anchor. From the start where there is none."""
        latest = torch.where(self._is_anchor, self.place, 0).cummax(1).values
        return self.place - latest

    def anchor(self, token: int) -> Int[Tensor, "batch 1"]:
        """Where this anchor stands; the input's length where it is missing."""
        hit = self.tokens == token
        return torch.where(hit.any(1, keepdim=True), hit.int().argmax(1, keepdim=True), self.length)

    def at(self, places: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """The token at these places; `language.size` for a place outside the input."""
        last = self.tokens.shape[1] - 1
        found = self.tokens.gather(1, places.clamp(0, last).expand(len(self), -1))
        return torch.where((places >= 0) & (places < self.length), found, self.language.size)

    @property
    def _pads(self) -> list[int]:
        return [] if self.language.pad is None else [self.language.pad]

    @cached_property
    def _is_anchor(self) -> Bool[Tensor, "batch seq"]:
        anchors = torch.tensor(self.language.anchors, dtype=torch.long, device=self.tokens.device)
        return torch.isin(self.tokens, anchors)


def read_language(task: Task, examples: Examples, causal: bool) -> Language:
    """The language of these examples. An anchor is a token that each of them has exactly once."""
    tokens = examples.tokens
    counts = torch.zeros(len(tokens), len(task.vocabulary), dtype=torch.long, device=tokens.device)
    counts.scatter_add_(1, tokens.long(), torch.ones_like(tokens, dtype=torch.long))
    if task.pad is not None:
        counts[:, task.pad] = 0
    once = (counts == 1).all(0)
    where = [
        (int((tokens == token).int().argmax(1).sum()), int(token)) for token in once.nonzero()[:, 0].tolist()
    ]
    occurs = counts.any(0)
    letters = tuple((occurs & ~once).nonzero()[:, 0].tolist())
    ids = examples.position_ids
    return Language(
        words=tuple(task.vocabulary),
        pad=task.pad,
        anchors=tuple(token for _, token in sorted(where)),
        letters=letters,
        ordered=_ascending([task.vocabulary[letter] for letter in letters]),
        shifted=ids is not None and bool((ids != ids[:1]).any()),
        causal=causal,
    )


def read_inputs(examples: Examples, language: Language) -> Inputs:
    """These examples as inputs of a language."""
    ids = examples.position_ids
    if ids is None:
        seq = examples.tokens.shape[1]
        ids = torch.arange(seq, device=examples.tokens.device).expand(len(examples), -1)
    return Inputs(examples.tokens.long(), ids.long(), language)


def _ascending(words: list[str]) -> bool:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return False
    return len(numbers) > 2 and numbers == sorted(set(numbers))
