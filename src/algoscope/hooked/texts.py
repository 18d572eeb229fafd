"""Texts to tokens and back, through the model's task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.hooked.absent import TOKENIZER
from algoscope.hooked.arguments import Fixed, refuse
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Task

Input = Int[Tensor, "*batch seq"] | str | Sequence[Any]
"""Tokens, with or without an axis for the batch; or what a task can encode."""

FIXED: Mapping[str, Fixed] = {
    "prepend_bos": Fixed((None, False), "a task's inputs have their first token already"),
    "padding_side": Fixed((None, "right"), "short inputs are filled up on the right"),
}


class Texts:
    """The part of a HookedTransformer that reads and writes texts."""

    transformer: Transformer
    task: Task | None

    def to_tokens(self, input: str | Sequence[Any], **rest: object) -> Int[Tensor, "batch seq"]:
        """Tokens of what the task's inputs are written as: one text, or a list of them."""
        refuse("to_tokens", rest, FIXED, ("truncate", "move_to_device"), ("input",))
        return (
            self._task().encode([input] if isinstance(input, str) else input).to(self.transformer.W_E.device)
        )

    def to_string(self, tokens: Int[Tensor, "*batch seq"]) -> str | list[str]:
        """Tokens as text: one string for one input, else a list."""
        texts = self._task().decode(tokens if tokens.ndim == 2 else tokens[None])
        return texts if tokens.ndim == 2 else texts[0]

    def to_str_tokens(self, input: Input, **rest: object) -> list[str] | list[list[str]]:
        """What each token is called; for several inputs, a list for each."""
        refuse("to_str_tokens", rest, FIXED, (), ("input",))
        words = [self._task().words(row) for row in self._tokens(input).cpu()]
        single = isinstance(input, str) or (isinstance(input, Tensor) and input.ndim == 1)
        return words[0] if single else words

    def to_single_token(self, string: str) -> int:
        """The token that is called so in the task's vocabulary."""
        vocabulary = self._task().vocabulary
        if string not in vocabulary:
            raise UserError(f"{string!r} is no one token: choose from {' '.join(vocabulary)}")
        return vocabulary.index(string)

    def to_single_str_token(self, int_token: int) -> str:
        """What this token is called in the task's vocabulary."""
        vocabulary = self._task().vocabulary
        if not 0 <= int_token < len(vocabulary):
            raise UserError(f"there is no token {int_token}: the task has 0 to {len(vocabulary) - 1}")
        return vocabulary[int_token]

    def get_token_position(self, single_token: str | int, input: Input, mode: str = "first") -> int:
        """Where this token stands in one input: its first place, or the "last"."""
        token = self.to_single_token(single_token) if isinstance(single_token, str) else int(single_token)
        tokens = self._tokens(input)
        if len(tokens) != 1 or mode not in ("first", "last"):
            raise UserError("get_token_position takes one input, and mode='first' or mode='last'")
        places = (tokens[0] == token).nonzero().flatten().tolist()
        if not places:
            raise UserError(f"token {single_token!r} is not in this input")
        return int(places[0] if mode == "first" else places[-1])

    def _task(self) -> Task:
        if self.task is None:
            raise UserError(TOKENIZER)
        return self.task

    def _tokens(self, input: Input) -> Int[Tensor, "batch seq"]:
        if not isinstance(input, Tensor):
            return self.to_tokens(input)
        return (input[None] if input.ndim == 1 else input).to(self.transformer.W_E.device)
