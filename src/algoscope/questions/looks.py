"""Where does each needed head look?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from algoscope.analysis.look_patterns import elsewhere
from algoscope.analysis.looks import FITS, TIE, Fit, Look, looks, picture
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.looks import attention_beside
from algoscope.model.head import Head
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.tasks.task import Examples

NAMED = Claim(
    "heads-look-in-a-named-way",
    "Each needed head looks in one of the named ways: from the answers, or from other places that are read.",
    "share of attention that lies where the best patterns put it, for each needed head",
    at_least(FITS).each(),
)
ALIKE = Claim(
    "heads-look-alike-at-each-answer",
    "A needed head that looks in one of the named ways from the answers does so from each of an input's "
    "answers, not only on average.",
    "share of attention that lies where this pattern puts it, for each such head from the answer where it is "
    "least",
    at_least(FITS).each(),
)
BY_CONTENT = Claim(
    "a-head-looks-by-content",
    "Where at least one needed head looks depends on what is in the input, not only on place and length.",
    "share of attention that goes where it goes on average in inputs of the same length, for each needed "
    "head from where that is less",
    at_most(FITS).any(),
)
SOME = 256
"""Inputs that are looked at: whole patterns are held in memory, and more would change no verdict."""
DRAWN = 6
"""Heads in the figure of patterns."""
COLUMNS = 14
"""Patterns in the figure of scores."""
ANSWERS, OTHERS = "the answers", "other places"


@dataclass(frozen=True)
class Looking:
    """How one head looks, from each kind of place that can matter."""

    head: Head
    by_place: Mapping[str, Look]
    """From ANSWERS and, unless nothing reads what it writes there, from OTHERS."""
    by_number: Mapping[int, Look]
    """From each of an input's answers, where there are several."""

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


def looks_of(seen: Seen, heads: Sequence[Head]) -> Section:
    """Where do these heads look?"""
    some, several = seen.kept[:SOME], not seen.one_answer
    section = Section("looks", "Where does each needed head look?", _text(len(some), several))
    claims = (NAMED, BY_CONTENT, ALIKE) if several else (NAMED, BY_CONTENT)
    if not heads:
        return replace(section, findings=all_missing(claims, "no head is needed"))
    found = looking(seen, some, heads)
    if not found:
        return replace(section, findings=all_missing(claims, "no head has two places to choose from"))
    return replace(
        section,
        findings=(_named(found), _by_content(found), *([_alike(found)] if several else [])),
        illustrations=(_scores(found), _patterns(seen, some, found)),
        tables=(_table(found), *([_numbers(found)] if several else [])),
    )


def looking(seen: Seen, examples: Examples, heads: Sequence[Head]) -> list[Looking]:
    """How each of these heads looks on these examples; none that has no choice anywhere."""
    answers = range(0 if seen.one_answer else int(examples.row_number.max()) + 1)
    number = examples.answered.cumsum(1) - 1
    places = {
        ANSWERS: examples.answered,
        OTHERS: elsewhere(seen.model.config, examples, layer=0),
        **{_answer(each): examples.answered & (number == each) for each in answers},
    }
    found = looks(seen.model, examples, heads, places, seen.task.vocabulary, called(seen))
    return [
        Looking(
            head,
            {place: found[place][head] for place in _read(seen, head) if place in found},
            {each: found[_answer(each)][head] for each in answers if _answer(each) in found},
        )
        for head in heads
        if any(place in found for place in _read(seen, head))
    ]


def called(seen: Seen) -> list[int]:
    """The token that has the name of each class of answer, -1 where none has."""
    tokens = {word: token for token, word in enumerate(seen.task.vocabulary)}
    return [tokens.get(name, -1) for name in seen.task.classes]


def _read(seen: Seen, head: Head) -> tuple[str, ...]:
    """Nothing reads what the last layer writes anywhere but at the answers."""
    return (ANSWERS,) if head.layer == seen.model.config.n_layers - 1 else (ANSWERS, OTHERS)


def _answer(number: int) -> str:
    return f"answer {number}"


def _text(count: int, several: bool) -> str:
    return (
        f"Attention on {count:,} inputs is held against patterns that have a name: even, itself, previous, "
        "next, first, last, all before or behind, mirrored, a fixed distance or place, counted with the "
        "answers forwards or backwards, the answer's own token, the same token, the token after an earlier "
        "same one, each token of the vocabulary, and each concept of the task. A pattern is even over its "
        "keys. Its score is the share of attention that lies where it puts it (one minus the total variation "
        "distance), so 1 is exactly this and nothing else. A head looks in the way that scores best; the "
        f"simpler of two alike; in none of these ways below {FITS:g}, or where it beats looking evenly by "
        "less than 0.1. Padding is never looked at, and a head is judged only from places whose result is "
        "read: in the last layer, from the answers."
        + (" What holds over all answers is held against each answer alone." if several else "")
    )


def _named(found: list[Looking]) -> Finding:
    best = [each.by_place[each.clearest] for each in found]
    said = _list(
        [
            f"head {each.head} looks {_scored(look)} from {each.clearest}"
            for each, look in zip(found, best, strict=True)
        ]
    )
    return NAMED.measured([look.score for look in best], said=said)


def _by_content(found: list[Looking]) -> Finding:
    steady = {each.head: each.steady for each in found if each.steady is not None}
    if not steady:
        return BY_CONTENT.missing("no two inputs are of the same length")
    said = _list([f"head {head}: {share:.2f}" for head, share in steady.items()])
    return BY_CONTENT.measured([*steady.values()], said=said)


def _alike(found: list[Looking]) -> Finding:
    least = {each.head: each.least_alike for each in found if each.least_alike is not None}
    if not least:
        return ALIKE.missing("no needed head looks in one of the named ways from the answers as a whole")
    said = _list([f"head {head}: at least {share:.2f}" for head, share in least.items()])
    return ALIKE.measured([*least.values()], said=said)


def _scored(look: Look) -> str:
    if look.best.fitting:
        return f"{look.words} ({look.score:.2f})"
    return f"{look.words} (at best {look.best.pattern.words}: {look.best.score:.2f})"


def _list(parts: list[str], most: int = 8) -> str:
    more = [f"{len(parts) - most} more in the table"] if len(parts) > most else []
    return "; ".join([*parts[:most], *more])


def _table(found: list[Looking]) -> Table:
    rows = []
    for each in found:
        for place, look in each.by_place.items():
            best, other = look.best, look.runner_up
            rows.append(
                (
                    str(each.head), place, look.words, best.pattern.words, best.score, best.even, best.share,
                    other.pattern.words if other else None, other.explained if other else None, look.steady,
                )
            )  # fmt: skip
    return Table(
        (
            "head",
            "from",
            "looks",
            "best pattern",
            "score",
            "even",
            "rows",
            "next best",
            "its score",
            "steady",
        ),
        tuple(rows),
        "The pattern that fits each head best; its score, and what looking evenly scores, on the rows for "
        "which the pattern has a key, and what share of rows that is; the pattern that explains most of the "
        "attention otherwise, over all rows; and the share of attention that goes where it goes on average.",
    )


def _numbers(found: list[Looking]) -> Table:
    """A row for each stretch of answers from which a head looks in one way."""
    rows = []
    for each in found:
        for words, stretch in groupby(each.ways.items(), key=lambda item: item[1].words):
            numbers, fits = zip(*stretch, strict=True)
            last = f" to {numbers[-1]}" if len(numbers) > 1 else ""
            rows.append((str(each.head), f"{numbers[0]}{last}", words, min(fit.score for fit in fits)))
    return Table(
        ("head", "answers", "looks", "least score"),
        tuple(rows),
        "How each head looks from each of an input's answers, judged alone and counted from 0. Neighbouring "
        "answers from which it looks in the same way share a row.",
    )


def _scores(found: list[Looking]) -> Illustration:
    """Heads by patterns, of the patterns that matter to one of them."""
    judged = {f"{each.head} from {place}": look for each in found for place, look in each.by_place.items()}
    wanted: dict[str, None] = {}
    for look in judged.values():
        for fit in (look.fits[0], look.best, look.runner_up):
            if fit is not None and len(wanted) < COLUMNS:
                wanted[fit.pattern.name] = None
    rows = [[look[name] for name in wanted] for look in judged.values()]
    values = np.array([[np.nan if fit is None else fit.score for fit in row] for row in rows])
    figure = heatmaps(
        {"": values}, tuple(judged), tuple(wanted), ("head", "pattern"), "share of attention put right"
    )
    caption = (
        "How well patterns fit each head's attention, 1 for exactly: evenness, and those that fit one of "
        "them best or second best. Blank: too few rows for which the pattern has a key."
    )
    return Illustration(figure, caption)


def _patterns(seen: Seen, examples: Examples, found: list[Looking]) -> Illustration:
    """Mean attention beside what the best pattern would give."""
    pairs, queries = {}, []
    for each in found[:DRAWN]:
        place, config = each.clearest, seen.model.config
        look = each.by_place[place]
        at = examples.answered if place == ANSWERS else elsewhere(config, examples, each.head.layer)
        shown = picture(seen.model, examples, look, at, called(seen))
        title = (f"head {each.head} from {place}", f"{look.best.pattern.words} (score {look.best.score:.2f})")
        pairs[title] = (shown.attention.numpy(), shown.target.numpy())
        queries.append(shown.query.tolist())
    caption = (
        f"Left: mean attention over {len(examples):,} inputs, from the kind of place from which a pattern "
        "fits better. Right: what the best pattern would give. Key and query are places in the input."
    )
    more = f" The first {DRAWN} of {len(found)} heads." if len(found) > DRAWN else ""
    figure = attention_beside(pairs, queries, range(examples.tokens.shape[1]))
    return Illustration(figure, caption + more)
