"""Languages of every kind with inputs at random, and each input as plain lists: what loops are run over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator

from algoscope.explanation.concepts import Concept
from algoscope.explanation.inputs import Inputs, Language
from algoscope.explanation.library.scope import UNSEEN, Scope, read_scope

PAD = "<pad>"


@dataclass(frozen=True)
class Row:
    """One input, without padding, and the language that it is of."""

    tokens: tuple[int, ...]
    ids: tuple[int, ...]
    language: Language

    def __len__(self) -> int:
        return len(self.tokens)

    def anchor(self, place: int) -> bool:
        return self.tokens[place] in self.language.anchors

    def letter(self, place: int) -> bool:
        return not self.anchor(place)

    def segment(self, place: int) -> int:
        return sum(self.anchor(each) for each in range(place + 1))

    def begins(self, place: int) -> int:
        """The last anchor up to this place, -1 if there is none."""
        return max((each for each in range(place + 1) if self.anchor(each)), default=-1)

    def ends(self, place: int) -> int:
        """The first anchor behind this place, the length if there is none."""
        return next((each for each in range(place + 1, len(self)) if self.anchor(each)), len(self))

    def at(self, place: int) -> int:
        return self.tokens[place] if 0 <= place < len(self) else self.language.size

    def known(self, place: int, here: int) -> int:
        """The token there, unless a causal model does not see it yet."""
        return UNSEEN if self.language.causal and place > here else self.at(place)


Slow = Callable[[Row, int], int]
"""What a concept is at a place of an input, by loops over lists."""


@dataclass(frozen=True)
class Case:
    """A language, and inputs of it."""

    name: str
    inputs: Inputs

    @property
    def language(self) -> Language:
        return self.inputs.language

    @cached_property
    def scope(self) -> Scope:
        return read_scope(self.language, self.inputs)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(tuple(tokens[:length]), tuple(ids[:length]), self.language)
            for tokens, ids, length in zip(
                self.inputs.tokens.tolist(),
                self.inputs.position_ids.tolist(),
                self.inputs.length[:, 0].tolist(),
                strict=True,
            )
        )

    def word(self, token: int) -> str:
        return self.language.words[token]

    @property
    def letters(self) -> Iterator[tuple[int, str]]:
        return ((letter, self.word(letter)) for letter in self.language.letters)

    def __str__(self) -> str:
        return self.name


def case(
    name: str,
    texts: Sequence[Sequence[str]],
    anchors: Sequence[str],
    letters: Sequence[str],
    causal: bool,
    ordered: bool = False,
    shift: int = 0,
) -> Case:
    """Inputs from lists of words. With a shift, position embeddings begin up to so far from 0."""
    words = (*letters, *anchors, PAD)
    longest = max(map(len, texts))
    ids = [[words.index(word) for word in (*text, *[PAD] * (longest - len(text)))] for text in texts]
    offsets = torch.randint(shift + 1, (len(texts), 1), generator=Generator().manual_seed(1))
    language = Language(
        words=words,
        pad=len(words) - 1,
        anchors=tuple(words.index(anchor) for anchor in anchors),
        letters=tuple(range(len(letters))),
        ordered=ordered,
        shifted=shift > 0,
        causal=causal,
    )
    return Case(name, Inputs(torch.tensor(ids), torch.arange(longest) + offsets, language))


def strings(letters: Sequence[str], lengths: Sequence[int], count: int, seed: int = 0) -> list[list[str]]:
    generator = Generator().manual_seed(seed)
    sizes = torch.randint(len(lengths), (count,), generator=generator).tolist()
    return [
        [letters[index] for index in torch.randint(len(letters), (lengths[size],), generator=generator)]
        for size in sizes
    ]


def digits(count: int) -> list[str]:
    return list(map(str, range(count)))


def parallel(left: list[list[str]], right: list[list[str]], *around: str) -> list[list[str]]:
    start, middle, end = around
    return [
        [*([start] * bool(start)), *one, middle, *other, *([end] * bool(end))]
        for one, other in zip(left, right, strict=True)
    ]


def make_cases() -> Iterator[Case]:
    brackets = strings("()", [1, 2, 3, 6, 9], 30)
    yield case("brackets", [["S", *text, "E"] for text in brackets], "SE", "()", causal=False)
    yield case("open", [["S", *text] for text in strings("abc", [1, 2, 5, 8], 30)], "S", "abc", causal=False)
    yield case("letters", strings("abcde", [7], 30), "", "abcde", causal=False)
    yield case("numbers", strings(digits(5), [6], 30), "", digits(5), causal=False, ordered=True)
    yield case(
        "growing", [["S", *text] for text in strings("ab", [3, 12], 20)], "S", "ab", causal=True, shift=9
    )
    fixed = [["S", *text, "E"] for text in strings(digits(3), [7], 40)]
    yield case("fixed", fixed, "SE", digits(3), causal=True, ordered=True)
    bits = parallel(strings("01", [1, 3, 6], 20), strings("01", [1, 2, 7], 20, seed=1), "S", "|", "")
    yield case("bits", bits, "S|", "01", causal=True, shift=9)
    lists = parallel(
        strings(digits(10), [1, 4, 9], 30), strings(digits(10), [2, 4, 10], 30, seed=1), "S", "|", "E"
    )
    yield case("lists", lists, "S|E", digits(10), causal=True, ordered=True, shift=9)
    yield case(
        "both ways",
        parallel(*[strings(digits(4), [1, 3, 4], 15)] * 2, "", "|", "E"),
        "|E",
        digits(4),
        False,
        True,
    )
    added = [
        [*one, "+", *other, "=", *other]
        for one, other in zip(*[strings(digits(10), [4], 30)] * 2, strict=True)
    ]
    yield case("added", added, "+=", digits(10), causal=True, ordered=True)
    yield case("pair", [[*text, "="] for text in strings(digits(7), [2], 40)], "=", digits(7), True, True)
    yield case("long", [["S", *text] for text in strings("ab", [30], 10)], "S", "ab", causal=True)


CASES: Mapping[str, Case] = {each.name: each for each in make_cases()}


def check(case: Case, concepts: Sequence[Concept], slow: Mapping[str, Slow]) -> None:
    """Every concept against what a loop says, at every place that is not padding."""
    for concept in concepts:
        codes = concept.of(case.inputs)
        assert codes.dtype == torch.int64
        assert codes.shape == case.inputs.tokens.shape
        assert concept.name in slow, f"no loop for {concept.name!r}"
        for row, found in zip(case.rows, codes.tolist(), strict=True):
            wanted = [slow[concept.name](row, place) for place in range(len(row))]
            assert found[: len(row)] == wanted, (
                f"{concept.name!r} of {[case.word(token) for token in row.tokens]}"
            )


def stretches(case: Case) -> dict[str, Callable[[Row, int], list[int]]]:
    """For each stretch, by its words, the places that are in it."""
    found: dict[str, Callable[[Row, int], list[int]]] = {
        "so far": lambda row, place: list(range(place + 1)),
        "before here": lambda row, place: list(range(place)),
        "so far in this part": lambda row, place: list(range(max(row.begins(place), 0), place + 1)),
        "in all": lambda row, place: list(range(len(row))),
        "from here on": lambda row, place: list(range(place, len(row))),
    }
    for part in range(len(case.language.anchors) + 1):
        found[f"so far in {part_name(case, part)}"] = lambda row, place, part=part: [
            each for each in range(place + 1) if row.segment(each) == part
        ]
    return found


def part_name(case: Case, part: int) -> str:
    if not case.language.anchors:
        return "the input"
    if part == 0:
        return f"the part before {case.word(case.language.anchors[0])}"
    return f"the part after {case.word(case.language.anchors[part - 1])}"


def with_derived(slow: Mapping[str, Slow]) -> dict[str, Slow]:
    """These, and the sign, parity and remainders of each, and each in steps."""
    found = dict(slow)
    for name, of in slow.items():
        found[f"the sign of {name}"] = lambda row, place, of=of: (of(row, place) > 0) - (of(row, place) < 0)
        found[f"the parity of {name}"] = lambda row, place, of=of: of(row, place) % 2
        for modulus in range(3, 17):
            found[f"{name}, modulo {modulus}"] = lambda row, place, of=of, modulus=modulus: (
                of(row, place) % modulus
            )
        for width in (4, 8, 16):
            found[f"{name}, in steps of {width}"] = lambda row, place, of=of, width=width: (
                of(row, place) // width
            )
    return found
