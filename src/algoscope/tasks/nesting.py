"""Which brackets may come next, if they nest at most three deep?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples, Task
from algoscope.tasks.written import letters, several, short

BRACKETS = "()[]"
DEEPEST, LONGEST = 3, 20
BOS, PAD = range(len(BRACKETS), len(BRACKETS) + 2)

States = Int[Tensor, "*batch"]
"""The brackets that are open, as digits of a number in base 3: 1 for `(`, 2 for `[`, the innermost last."""


class Nesting(Task):
    """`<bos>`, 1 to 20 brackets of two kinds, nested at most 3 deep, then `<pad>` up to 21 tokens.

    Each position is answered with the set of what may come next: `(` and `[` unless 3 are open, the partner
    of the innermost open bracket, and `end` if none is open. An input need not end where it may. The language
    is the bounded Dyck language of Yao et al., Self-Attention Networks Can Process Bounded Hierarchical
    Languages (2021).
    """

    name = "nesting"
    vocabulary = (*BRACKETS, "<bos>", "<pad>")
    pad = PAD
    n_ctx = LONGEST + 1
    classes = (*BRACKETS, "end")
    usual: Mapping[str, str | int | float | bool | None] = {
        "act_fn": "relu",
        "attention_dir": "causal",
        "normalization_type": "LN",
        "eps": 1e-5,
        "pad_token": PAD,
    }

    def sample(self, n: int, seed: int) -> Examples:
        """`n` inputs, every length as likely.

        Where a bracket may be opened as well as closed, a coin decides, and another which kind is opened.
        """
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(1, LONGEST + 1, (n,), generator=generator)
        opens = torch.rand(n, LONGEST, generator=generator) < 0.5
        square = torch.rand(n, LONGEST, generator=generator) < 0.5
        return self.examples(_written(opens, square, lengths))

    def answered(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
        """Everywhere but at `<pad>`."""
        return tokens != PAD

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq class"]:
        """What may come next."""
        state = _states(tokens)
        may_open, innermost = state < 3 ** (DEEPEST - 1), state % 3
        return torch.stack([may_open, innermost == 1, may_open, innermost == 2, state == 0], dim=-1)

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        """`depth`: int `[batch seq]`, how many brackets are open after this token, 0 at `<pad>`.
        `innermost`: int `[batch seq]`, the latest of them: 0 none, 1 `(`, 2 `[`.
        `length`: int `[batch]`, the number of brackets."""
        state = _states(tokens).masked_fill(tokens == PAD, 0)
        depth = sum((state >= 3**level).long() for level in range(DEEPEST))
        return {"depth": torch.as_tensor(depth), "innermost": state % 3, "length": _lengths(tokens)}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        """Tokens of strings like `"([]"`: `<bos>` before, padded to 21."""
        tokens = torch.full((len(inputs), LONGEST + 1), PAD)
        tokens[:, 0] = BOS
        for row, value in enumerate(several(inputs)):
            found = letters(value, BRACKETS, 1, LONGEST)
            state = torch.zeros((), dtype=torch.long)
            for place, token in enumerate(torch.tensor(found)):
                if not _may_follow(state, token):
                    raise UserError(
                        f"{short(value)} can't go on with {BRACKETS[int(token)]!r} after {place} brackets: "
                        f"each closes the innermost one that is open, and at most {DEEPEST} may be"
                    )
                state = _after(state, token)
            tokens[row, 1 : len(found) + 1] = torch.tensor(found)
        return tokens

    def groups(self, examples: Examples) -> dict[str, Bool[Tensor, "batch"]]:
        """By length."""
        length = examples.concepts["length"]
        kinds = {}
        for shortest, longest in ((1, 5), (6, 10), (11, 15), (16, 20)):
            kinds[f"{shortest} to {longest} brackets"] = (length >= shortest) & (length <= longest)
        return kinds

    def neighbours(self, tokens: Int[Tensor, "batch seq"], generator: Generator) -> Int[Tensor, "batch seq"]:
        """One opening bracket turned into one of the other kind, with its partner, or into a closing one.

        In the second case what follows opens and closes as before as far as it may.
        """
        brackets = tokens[:, 1:]
        opens, square = (brackets < BOS) & (brackets % 2 == 0), (brackets < BOS) & (brackets >= 2)
        place = torch.rand(opens.shape, generator=generator).masked_fill(~opens, -1).argmax(1, keepdim=True)
        something_open = _states(tokens)[:, :-1].gather(1, place) > 0
        closes = something_open & (torch.rand(place.shape, generator=generator) < 0.5)
        opens = opens.scatter(1, place, ~closes)
        square = square.scatter(1, place, square.gather(1, place) ^ ~closes)
        return _written(opens, square, _lengths(tokens))


def _after(state: States, token: Int[Tensor, "*batch"]) -> States:
    """What is open after one more token; only brackets change it."""
    opened, closed = 3 * state + 1 + token // 2, state // 3
    return torch.where(token < BOS, torch.where(token % 2 == 0, opened, closed), state)


def _may_follow(state: States, token: Int[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
    return torch.where(token % 2 == 0, state < 3 ** (DEEPEST - 1), state % 3 == 1 + token // 2)


def _states(tokens: Int[Tensor, "batch seq"]) -> States:
    """What is open after each token."""
    state, states = torch.zeros_like(tokens[:, 0]), []
    for token in tokens.unbind(1):
        state = _after(state, token)
        states.append(state)
    return torch.stack(states, dim=1)


def _lengths(tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
    return (tokens < BOS).sum(1)


def _written(
    opens: Bool[Tensor, "batch bracket"],
    square: Bool[Tensor, "batch bracket"],
    lengths: Int[Tensor, "batch"],
) -> Int[Tensor, "batch seq"]:
    """The inputs that open and close as wished, as far as they may.

    A bracket is opened where none is open, and closed where 3 are. `square` is the kind of those that open.
    """
    tokens = torch.full((len(opens), LONGEST + 1), PAD)
    tokens[:, 0] = BOS
    state = torch.zeros(len(opens), dtype=torch.long)
    for place in range(LONGEST):
        opened = (opens[:, place] | (state == 0)) & (state < 3 ** (DEEPEST - 1))
        token = torch.where(opened, 2 * square[:, place].long(), 2 * (state % 3) - 1)
        tokens[:, place + 1] = torch.where(place < lengths, token, PAD)
        state = _after(state, token)
    return tokens
