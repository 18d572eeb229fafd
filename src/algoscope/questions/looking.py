"""How does each head look, from each kind of place where that can matter?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algoscope.analysis.look_patterns import elsewhere
from algoscope.analysis.looks import TIE, Fit, Look, looks
from algoscope.model.head import Head
from algoscope.questions.seen import Seen
from algoscope.tasks.task import Examples

ANSWERS, OTHERS = "the answers", "other places"
FEW = 8
"""Tokens up to which it is told apart from which of them a head looks."""


@dataclass(frozen=True)
class Looking:
    """How one head looks, from each kind of place that can matter."""

    head: Head
    by_place: Mapping[str, Look]
    """From ANSWERS and, unless nothing reads what it writes there, from OTHERS."""
    by_number: Mapping[int, Look]
    """From each of an input's answers, where there are several."""
    by_token: Mapping[str, Look]
    """From OTHERS, by the token there, where there are few tokens."""

    @property
    def clearest(self) -> str:
        """The kind of place from which named patterns say most; of two alike, the answers."""
        return max(self.by_place, key=lambda place: (self.by_place[place].score, place == ANSWERS))

    @property
    def steady(self) -> float | None:
        """From the kind of place from which it is least steady."""
        known = [look.steady for look in self.by_place.values() if look.steady is not None]
        return min(known, default=None)

    @property
    def least_alike(self) -> float | None:
        """How well its best pattern from the answers fits at the answer where it fits least.

        0 at an answer from where it has no key; None if the head has no named way from the answers.
        """
        look = self.by_place.get(ANSWERS)
        if look is None or not look.best.fitting:
            return None
        fits = [each[look.best.pattern.name] for each in self.by_number.values()]
        return min((0.0 if fit is None else fit.score for fit in fits), default=None)

    @property
    def ways(self) -> dict[int, Fit]:
        """What fits best at each answer alone: what says most of all answers, if nothing is better there."""
        # At a single place many patterns are the same, so the simplest there may say less than the usual one.
        whole = self.by_place.get(ANSWERS)
        usual = [fit.pattern.name for fit in (whole.best, whole.otherwise) if fit] if whole else []
        found = {}
        for number, look in self.by_number.items():
            there = [fit for name in usual if (fit := look[name]) and fit.score >= look.best.score - TIE]
            found[number] = there[0] if there else look.best
        return found


def looking(seen: Seen, examples: Examples, heads: Sequence[Head]) -> list[Looking]:
    """How each of these heads looks on these examples; none that has no choice anywhere."""
    answers = range(0 if seen.one_answer else int(examples.row_number.max()) + 1)
    number = examples.answered.cumsum(1) - 1
    others = elsewhere(seen.model.config, examples, layer=0)
    words = seen.task.vocabulary if len(seen.task.vocabulary) <= FEW else ()
    places = {
        ANSWERS: examples.answered,
        OTHERS: others,
        **{f"answer {each}": examples.answered & (number == each) for each in answers},
        **{f"token {word}": others & (examples.tokens == token) for token, word in enumerate(words)},
    }
    found = looks(seen.model, examples, heads, places, seen.task.vocabulary, called(seen))
    last = seen.model.config.n_layers - 1

    def of(head: Head) -> Looking:
        at = {place: by_head[head] for place, by_head in found.items()}
        # Nothing reads what the last layer writes anywhere but at the answers.
        by_token = {} if head.layer == last else {w: at[f"token {w}"] for w in words if f"token {w}" in at}
        read = (ANSWERS,) if head.layer == last else (ANSWERS, OTHERS)
        return Looking(
            head,
            {place: at[place] for place in read if place in at},
            {each: at[f"answer {each}"] for each in answers if f"answer {each}" in at},
            by_token,
        )

    return [each for each in map(of, heads) if each.by_place]


def called(seen: Seen) -> list[int]:
    """The token that has the name of each class of answer, -1 where none has."""
    tokens = {word: token for token, word in enumerate(seen.task.vocabulary)}
    return [tokens.get(name, -1) for name in seen.task.classes]
