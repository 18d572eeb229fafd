"""The ways of looking that have a name: which keys would a head look at, if it looked in just this way?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from algoscope.analysis.batching import Mask
from algoscope.model.config import Config
from algoscope.tasks.task import Examples

FURTHEST = 8
"""The largest fixed distance that is tried, in places."""
SLACK = 3
"""Where counting may begin: at the first or last token of the input, or one or two further in."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Places from which a head looks, a row each, with all that a named pattern may depend on."""

    tokens: Int[Tensor, "row key"]
    query: Int[Tensor, "row"]
    seen: Bool[Tensor, "row key"]
    """The keys that may be looked at: no padding, and in a causal model nothing behind the query."""
    first: Int[Tensor, "row"]
    """Where the input begins: 0, unless padding stands before it."""
    last: Int[Tensor, "row"]
    """Its last place that is no padding, whether or not the query sees it."""
    number: Int[Tensor, "row"]
    """Which of its input's answers the query is, from 0; -1 where it is none."""
    start: Int[Tensor, "row"]
    """Where the input's first answer is."""
    asked: Int[Tensor, "row"]
    """The token that the right answer is called by; -1 where there is none."""
    concepts: Mapping[str, Tensor]
    """The concepts that say something about each place: name -> `[row key]`."""

    @property
    def keys(self) -> Int[Tensor, "key"]:
        return torch.arange(self.tokens.shape[1])

    @property
    def kind(self) -> Int[Tensor, "row"]:
        """Equal for queries from the same place in inputs of the same length."""
        # Padding on the left moves the whole input, so where it begins is told apart too.
        places = torch.stack([self.query, self.first, self.last], 1)
        kind: Tensor = places.unique(dim=0, return_inverse=True)[1]
        return kind

    def at(self, place: Int[Tensor, "row"]) -> Bool[Tensor, "row key"]:
        """Marks one key for each query."""
        return self.keys == place[:, None]

    def of(self, values: Tensor) -> Tensor:
        """What stands at each query, of something that stands at every key: `[row 1]`."""
        return values.gather(1, self.query[:, None])


@dataclass(frozen=True)
class Pattern:
    """A way of looking: evenly at some keys and at no other."""

    name: str
    """Kebab-case, with the token, concept or number that it is about as it is called: `offset -3`."""
    words: str
    """Completes "it looks ...": "at the previous place"."""
    keys: Callable[[Queries], Bool[Tensor, "row key"]]
    """Which keys; those that can't be seen may be marked too, and don't count."""


def judged(config: Config, examples: Examples, at: Mask) -> Mask:
    """The marked places from which a head has a choice: no padding, and two keys or more that it sees."""
    real = _real(config, examples)
    seen = real.cumsum(1) if config.attention_dir == "causal" else real.sum(1, keepdim=True)
    return at.cpu() & real & (seen > 1)


def queries(config: Config, examples: Examples, at: Mask, called: Sequence[int] = ()) -> Queries:
    """A row for each marked place. `called`: the token of each class of answer, -1 where it has none."""
    example, query = at.nonzero().unbind(1)
    real, places = _real(config, examples), torch.arange(at.shape[1])
    seen = real[example]
    if config.attention_dir == "causal":
        seen &= places <= query[:, None]
    answered = examples.answered.cpu()
    number = torch.where(answered, answered.cumsum(1) - 1, -1)
    asked = torch.full_like(number, -1)
    if len(called) and not examples.sets:
        asked[answered] = torch.tensor(called)[examples.labels.cpu()]
    return Queries(
        examples.tokens.cpu()[example],
        query,
        seen,
        real.int().argmax(1)[example],
        (real * places).amax(1)[example],
        number[at],
        answered.int().argmax(1)[example],
        asked[at],
        {
            name: value.cpu()[example]
            for name, value in examples.concepts.items()
            if value.shape == at.shape and not value.is_floating_point()
        },
    )


def named(seq: int, vocabulary: Sequence[str], concepts: Mapping[str, Tensor]) -> tuple[Pattern, ...]:
    """Every named pattern for inputs of this length, the simplest first.

    `concepts` are those of `Queries`: one of truths is looked at where it is true, one of whole numbers where
    it is the same as at the query.

    >>> [pattern.name for pattern in named(4, ("a", "b"), {})][:5]
    ['even', 'self', 'previous', 'next', 'first']
    """
    return (
        *BY_PLACE,
        *(_offset(by) for far in range(2, min(FURTHEST, seq - 1) + 1) for by in (-far, far)),
        *(_counted(begin) for begin in range(SLACK)),
        *(_counted_back(begin) for begin in range(SLACK)),
        *(_fixed(place) for place in range(1, seq)),
        *BY_TOKEN,
        *(_token(token, word) for token, word in enumerate(vocabulary)),
        *(_concept(name, value.dtype == torch.bool) for name, value in concepts.items()),
    )


EVEN = Pattern("even", "evenly at all that it sees", lambda q: q.seen)
BY_PLACE = (
    EVEN,
    Pattern("self", "at its own place", lambda q: q.at(q.query)),
    Pattern("previous", "at the previous place", lambda q: q.at(q.query - 1)),
    Pattern("next", "at the next place", lambda q: q.at(q.query + 1)),
    Pattern("first", "at the first place", lambda q: q.at(q.first)),
    Pattern("last", "at the last place", lambda q: q.at(q.last)),
    Pattern("prefix", "evenly at itself and all before", lambda q: q.keys <= q.query[:, None]),
    Pattern("suffix", "evenly at itself and all behind", lambda q: q.keys >= q.query[:, None]),
    Pattern("mirrored", "at the place that mirrors its own", lambda q: q.at(q.first + q.last - q.query)),
)
BY_TOKEN = (
    Pattern("answer", "at the token that is the answer", lambda q: q.tokens == q.asked[:, None]),
    Pattern("same token", "at other places with its token", lambda q: _same(q) & ~q.at(q.query)),
    Pattern("own token", "at every place with its token, its own included", lambda q: _same(q)),
    Pattern("after same", "at the token after an earlier one like its own", lambda q: _after_same(q)),
)


def elsewhere(config: Config, examples: Examples, layer: int) -> Mask:
    """The places that are no answer's, but where what a head of this layer writes can reach one."""
    answered = examples.answered.cpu()
    if layer == config.n_layers - 1:
        return torch.zeros_like(answered)
    if config.attention_dir == "bidirectional":
        return ~answered
    # A later answer reads it.
    return answered.flip(1).cumsum(1).flip(1).bool() & ~answered


def _real(config: Config, examples: Examples) -> Mask:
    tokens = examples.tokens.cpu()
    return (
        torch.ones_like(tokens, dtype=torch.bool) if config.pad_token is None else tokens != config.pad_token
    )


def _same(q: Queries) -> Bool[Tensor, "row key"]:
    return q.tokens == q.of(q.tokens)


def _after_same(q: Queries) -> Bool[Tensor, "row key"]:
    earlier = _same(q) & (q.keys < q.query[:, None])
    # What stands in the last place moves to the first, where it marks nothing: it is never earlier.
    return earlier.roll(1, 1)


def _offset(by: int) -> Pattern:
    words = f"{abs(by)} places {'before' if by < 0 else 'behind'} its own"
    return Pattern(f"offset {by:+}", words, lambda q: q.at(q.query + by))


def _counted(begin: int) -> Pattern:
    words = "at the place of the input with the answer's number" + (f", from place {begin}" if begin else "")
    return Pattern(
        f"counted {begin}",
        words,
        lambda q: q.at(q.first + q.number + begin) & (q.number >= 0)[:, None],
    )


def _counted_back(begin: int) -> Pattern:
    words = "at the place that is as far before the first answer as its own is behind"
    return Pattern(
        f"counted back {begin}",
        words + (f", and {begin} further" if begin else ""),
        lambda q: q.at(q.start - q.number - begin) & (q.number >= 0)[:, None],
    )


def _fixed(place: int) -> Pattern:
    return Pattern(f"place {place}", f"always at place {place}", lambda q: q.at(q.first + place))


def _token(token: int, word: str) -> Pattern:
    return Pattern(f"token {word}", f"at every “{word}”", lambda q: q.tokens == token)


def _concept(name: str, truth: bool) -> Pattern:
    if truth:
        return Pattern(f"concept {name}", f"where “{name}” is true", lambda q: q.concepts[name])
    return Pattern(
        f"same {name}",
        f"where “{name}” is what it is at its own place",
        lambda q: q.concepts[name] == q.of(q.concepts[name]),
    )
