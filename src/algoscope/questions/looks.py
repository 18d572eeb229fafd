"""Where does each needed head look?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from algoscope.analysis.look_patterns import EVEN, elsewhere
from algoscope.analysis.looks import BEYOND_EVEN, FITS, Look, picture
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.looks import attention_beside
from algoscope.model.head import Head
from algoscope.questions.bound import Exists, at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.looking import ANSWERS, OTHERS, Looking, called, looking
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.questions.viewer import viewer
from algoscope.tasks.task import Examples

NAMED = Claim(
    "heads-look-in-a-named-way",
    "Each needed head looks in one of the named ways: from the answers, or from other places that are read.",
    "share of attention that lies where the best patterns put it, for each needed head",
    at_least(FITS).each(),
)
POINTED = Claim(
    "a-head-looks-at-particular-places",
    "At least one needed head looks in a named way other than evenly at all that it sees.",
    "heads",
    Exists(f"a pattern that scores at least {FITS:g}, and at least {BEYOND_EVEN:g} more than looking evenly"),
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
"""Inputs that are looked at: whole attention patterns are held in memory."""
DRAWN = 6
"""Heads in the figure of patterns."""
COLUMNS = 14
"""Patterns in the figure of scores."""


def looks(seen: Seen) -> Section:
    """Where does each needed head look?"""
    return looks_of(seen, seen.needed_heads)


def looks_of(seen: Seen, heads: Sequence[Head]) -> Section:
    """Where do these heads look?"""
    some, several = seen.kept[:SOME], not seen.one_answer
    section = Section("looks", "Where does each needed head look?", _text(len(some), several))
    claims = (NAMED, POINTED, BY_CONTENT, ALIKE)[: 4 if several else 3]
    if not heads:
        return replace(section, findings=all_missing(claims, "no head is needed"))
    found = looking(seen, some, heads)
    if not found:
        return replace(section, findings=all_missing(claims, "no head has two places to choose from"))
    return replace(
        section,
        findings=(_named(found), _pointed(found), _by_content(found), *([_alike(found)] if several else [])),
        illustrations=(_scores(found), _patterns(seen, some, found), *viewer(seen)),
        tables=(_table(found), *([_numbers(found)] if several else []), *_tokens(found)),
    )


def _text(count: int, several: bool) -> str:
    return (
        f"Attention on {count:,} inputs is held against patterns that have a name: even, itself, previous, "
        "next, first, last, all before or behind, mirrored, a fixed distance or place, counted with the "
        "answers forwards or backwards, the answer's own token, the same token, the token after an earlier "
        "same one, each token of the vocabulary, and each concept of the task. A pattern is even over its "
        "keys. Its score is the share of attention that lies where it puts it (one minus the total variation "
        "distance), so 1 is exactly this and nothing else. A head looks in the way that scores best, the "
        "simpler of two alike; where that has no key to look at, in the way named after “otherwise”; in none "
        f"of these ways if it scores below {FITS:g}. A pattern has to beat looking evenly by "
        f"{BEYOND_EVEN:g}. Padding is never looked at, and a head is judged only from places whose result is "
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


def _pointed(found: list[Looking]) -> Finding:
    pointed = {
        str(each.head): f"head {each.head} looks {look.best.words} from {place}"
        for each in found
        for place, look in each.by_place.items()
        if look.best.fitting and look.best.pattern is not EVEN
    }
    return POINTED.measured([*pointed], said=_list([*pointed.values()]))


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


def _tokens(found: list[Looking]) -> tuple[Table, ...]:
    """How heads look from each token, if there are few: one may ask for other keys than another."""
    rows = [
        (str(each.head), word, look.words, look.best.pattern.words, look.best.score, look.best.even)
        for each in found
        for word, look in each.by_token.items()
    ]
    caption = f"How each head looks from {OTHERS}, by the token there; columns as in the first table."
    columns = ("head", "from", "looks", "best pattern", "score", "even")
    return (Table(columns, tuple(rows), caption),) if rows else ()


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
        {"": values},
        tuple(judged),
        tuple(wanted),
        ("head", "pattern"),
        "share of attention where the pattern puts it",
    )
    caption = (
        "How well patterns fit each head's attention, 1 for exactly: evenness, and those that fit one of "
        "them best or second best. Grey: too few rows for which the pattern has a key."
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
