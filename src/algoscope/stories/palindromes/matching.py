"""Which head compares each number with its mirror image, and how does it find it?"""

from __future__ import annotations

import torch

from algoscope.analysis.circuits import (
    attention_from_embeddings,
    largest_on_diagonal,
    masked,
    mean_norm_scale,
    position_qk,
    token_qk,
)
from algoscope.analysis.mirror import Mirrored, mirrored_pairs
from algoscope.figures.attention import attention_viewer
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head, every_head
from algoscope.questions.bound import Exists, at_least, at_most, more_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.subject import LEAST_CONTRAST, NO_MATCHING, TEXT, Subject, subject
from algoscope.tasks.palindromes import END, PAIRS, START, VALUES

REPEATED = (START, *([1, 2, 3, 4, 5] * 4), END)
EXCEPTIONS = ((19, 2), (17, 4))
"""Pairs of the public model that the text itself excepts from what it says of positions."""

MATCHING = Claim(
    "matching-head",
    "One head, before the one that reads the verdict out, attends to a mirror image more if it matches.",
    "head",
    Exists(f"at least {LEAST_CONTRAST:g} more of its attention, on average over pairs"),
    TEXT,
    "a token that H0.0 has discovered breaks the palindrome property (it has no corresponding token in the "
    "first half)",
)
MIRROR = Claim(
    "mirror-attention",
    "A later number that matches gives its mirror image most of the matching head's attention.",
    "mean attention",
    at_least(0.5),
    TEXT,
    "If the input is a palindrome, the token will attend strongly to its corresponding token in the first half",
)
ITSELF = Claim(
    "self-attention",
    "A later number that does not match gives most of it to itself.",
    "mean attention",
    at_least(0.5),
    TEXT,
    "It will always attend strongly to itself",
)
OTHERS = Claim(
    "other-matching-heads",
    "No other head before the reading head compares numbers with their mirror images.",
    f"other heads that give a match {LEAST_CONTRAST:g} or more of attention more",
    at_most(0),
)
DIAGONAL = Claim(
    "token-qk-diagonal-share",
    "From token embeddings alone, the matching head scores each number highest with itself.",
    "share of the 31 numbers",
    at_least(0.95),
    TEXT,
    "Sequence position $i$ attends to a previous position $j$ if their token embeddings are the same.",
)
MOST = Claim(
    "lambda-most",
    "From positions alone, most later positions give their mirror image more attention than themselves.",
    "pairs, of 10",
    more_than(5),
    TEXT,
    "for *most* of the palindromic positional pairs `[(11, 10), (12, 9), ...]`, more attention is placed on "
    "the earlier position (although I see notable exceptions for `(19, 2)` and `(17, 4)`)",
)
FAILURES = Claim(
    "lambda-failures",
    "All do, but for the two exceptions that the text names.",
    "other pairs that don't",
    at_most(0),
    TEXT,
    "For $i \\geq 11$, position $i$ attends to its \"palindromic corresponding\" position $j$ (i.e. 11 attends "
    "to 10, 12 attends to 9, and so on).",
)
LARGEST = Claim(
    "lambda-not-largest",
    "From positions alone, the mirror image gets more attention than any other position.",
    "pairs where it does not",
    at_most(0),
)
POSITION = Claim(
    "position-effect",
    "Where numbers repeat, positions move attention to the copy that is the mirror image.",
    "mean attention gained",
    at_least(0.1, "what a head gives a mirror image more, to be called matching"),
    TEXT,
    'some are weighted higher than others - namely the ones along the "lambda," due to the contribution of '
    "the positional circuit",
)


def matching_head(seen: Seen) -> Section:
    """Which head compares each number with its mirror image?"""
    own = subject(seen)
    return Section(
        "matching-head",
        "Which head compares each number with its mirror image?",
        "A head that compares would look back from a number in the second half to the number that mirrors "
        "it, if they are equal, and elsewhere if not. For each head: the attention that the later number "
        "of a pair gives to the earlier one, where they match minus where they don't, on average over the "
        f"ten pairs and {len(own.examples):,} examples. Weights are processed, here and in all that follows.",
        (_role(own), *_attention(own)),
        (_viewer(own),),
        (_table(own),),
    )


def token_circuit(seen: Seen) -> Section:
    """Does the matching head attend to equal numbers, whatever they are?"""
    own = subject(seen)
    head, question = own.matcher, "Does the matching head look for equal numbers?"
    text = (
        "The score between two tokens from their embeddings alone, divided by the first norm's mean "
        "scale: the row of a token shows, after a softmax, where it would look if one of each token stood "
        "before it. If the head looks for equal numbers, each row's largest entry is on the diagonal."
    )
    if head is None:
        return Section("token-circuit", question, text, (DIAGONAL.missing(NO_MATCHING),))
    scores = token_qk(own.model, head, _scale(own))
    on = largest_on_diagonal(scores, torch.arange(VALUES))
    words = list(own.seen.task.vocabulary)
    panel = {f"head {head}: tokens": scores.softmax(-1).numpy()}
    chart = heatmaps(panel, words, words, ("query", "key"), "weight")
    finding = DIAGONAL.measured(
        on.double().mean().item(), f"head {head} does for {int(on.sum())} of {VALUES} numbers"
    )
    caption = "Softmax over keys of the scores between tokens, from their embeddings alone."
    return Section("token-circuit", question, text, (finding,), (Illustration(chart, caption),))


def position_circuit(seen: Seen) -> Section:
    """Does it know which position mirrors which?"""
    own = subject(seen)
    head, question = own.matcher, "Does the matching head know which position mirrors which?"
    text = (
        "The same from the position embeddings alone, with later positions masked. A pair works if the later "
        "position gives its mirror image more attention than itself; together the pairs draw a lambda."
    )
    if head is None:
        return Section("position-circuit", question, text, all_missing((MOST, FAILURES, LARGEST), NO_MATCHING))
    pattern = masked(position_qk(own.model, head, _scale(own)), own.model.config.attention_dir).softmax(-1)
    pairs = sorted(mirrored_pairs(pattern, PAIRS), key=lambda pair: pair.later)
    failing = [pair for pair in pairs if pair.fails]
    others = [pair for pair in failing if (pair.later, pair.earlier) not in EXCEPTIONS]
    second = [pair for pair in pairs if pair.rank > 1]
    findings = (
        MOST.measured(len(pairs) - len(failing), f"head {head}: not {_named(failing)}"),
        FAILURES.measured(len(others), f"those that don't: {_named(failing)}"),
        LARGEST.measured(len(second), f"they are {_named(second)}"),
    )
    places = [str(position) for position in range(len(pattern))]
    chart = heatmaps({f"head {head}: positions": pattern.numpy()}, places, places, ("query", "key"), "weight")
    caption = "Softmax over keys of the scores between positions, from the position embeddings alone."
    figures = (Illustration(chart, caption),)
    return Section("position-circuit", question, text, findings, figures, (_lambda(pairs),))


def repeated(seen: Seen) -> Section:
    """What do positions add, where numbers repeat?"""
    own = subject(seen)
    head, question = own.matcher, "What do positions add where numbers repeat?"
    text = (
        "The sequence 1 2 3 4 5, four times over, is full of equal numbers that are not mirror images. "
        "Without position embeddings the matching head would attend to them alike. The figure's two "
        "panels use the true norm and leave the query and key biases out, as the published analysis does."
    )
    if head is None:
        return Section("repeated", question, text, (POSITION.missing(NO_MATCHING),))
    tokens, model = torch.tensor(REPEATED), own.model
    embedded = model.W_E[tokens].detach()
    positions = model.W_pos[: len(tokens)].detach()
    without, with_position = (
        attention_from_embeddings(model, head, resid) for resid in (embedded, embedded + positions)
    )
    later, earlier = torch.tensor([pair for pair in PAIRS if REPEATED[pair[0]] == REPEATED[pair[1]]]).T
    before, after = (each[later, earlier].mean().item() for each in (without, with_position))
    words = own.seen.task.words(tokens)
    places = [f"{position}: {word}" for position, word in enumerate(words)]
    panels = {"without position": without.numpy(), "with position": with_position.numpy()}
    chart = heatmaps(panels, places, places, ("query", "key"), "weight")
    caption = f"Attention of head {head} on the repeated sequence, without and with position embeddings."
    finding = POSITION.measured(after - before, f"from {before:.3f} to {after:.3f}")
    return Section("repeated", question, text, (finding,), (Illustration(chart, caption),))


def _role(own: Subject) -> Finding:
    if not own.contrast:
        return MATCHING.measured("", note=f"no layer comes before the reading head {own.reader}")
    best = max(own.contrast, key=lambda head: own.contrast[head])
    said = f"head {best} gives {own.contrast[best]:.3f} more"
    return MATCHING.measured(str(own.matcher or ""), said, "" if own.matcher else "that is too little")


def _attention(own: Subject) -> tuple[Finding, ...]:
    """What the text says of a number that matches and of one that doesn't, and whether other heads compare."""
    head = own.matcher
    if head is None:
        return all_missing((MIRROR, ITSELF, OTHERS), NO_MATCHING)
    later, earlier = torch.tensor(PAIRS).T
    broken, pattern = own.examples.concepts["mismatch"][:, later], own.patterns[head]
    measured = ((MIRROR, pattern[:, later, earlier][~broken]), (ITSELF, pattern[:, later, later][broken]))
    found = [
        claim.measured(values.mean().item(), f"by head {head}, on average over {len(values):,} numbers")
        if len(values)
        else claim.missing("there is no such number in the examples")
        for claim, values in measured
    ]
    others = [
        each for each, contrast in own.contrast.items() if contrast >= LEAST_CONTRAST and each != head
    ]
    said = f"head {head} compares; so do {', '.join(map(str, others)) or 'no others'}"
    return (*found, OTHERS.measured(len(others), said))


def _scale(own: Subject) -> float:
    """What the first norm divides by, on average."""
    return mean_norm_scale(own.model, own.examples.tokens[:100], layer=0)


def _viewer(own: Subject) -> Illustration:
    """All heads on palindromes and on sequences that nearly are."""
    count = own.examples.concepts["n_mismatches"]
    rows = torch.cat([(count == wanted).nonzero()[:2, 0] for wanted in range(3)])
    rows = rows if len(rows) else torch.arange(1)
    chosen = own.examples[rows]
    titles = [_title(index + 1, marks) for index, marks in enumerate(chosen.concepts["mismatch"].tolist())]
    stacked = torch.stack([pattern[rows] for pattern in own.patterns.values()], dim=1).numpy()
    chart = attention_viewer(
        list(stacked),
        [str(head) for head in own.patterns],
        [own.seen.task.words(row) for row in chosen.tokens],
        titles,
        columns=min(2, max(1, own.model.config.n_heads)),
    )
    caption = (
        "Attention of every head, row by row from the position that looks; the menu chooses the example. "
        "Point at a cell to see the two numbers and the weight."
    )
    return Illustration(chart, caption)


def _title(number: int, marks: list[bool]) -> str:
    broken = [f"{earlier}/{later}" for later, earlier in reversed(PAIRS) if marks[later]]
    return f"example {number}: " + (f"broken at {', '.join(broken)}" if broken else "palindrome")


def _table(own: Subject) -> Table:
    def row(head: Head) -> tuple[str | float | None, ...]:
        found = own.matches[head]
        gained = found.matched - found.mismatched
        cells = (found.matched.nanmean(), found.mismatched.nanmean(), gained.nanmean())
        return (str(head), *(None if cell.isnan() else cell.item() for cell in cells))

    columns = ("head", "to a mirror image that matches", "to one that doesn't", "difference")
    rows = tuple(row(head) for head in every_head(own.model.config))
    return Table(columns, rows, f"Mean attention over {len(own.examples):,} examples.")


def _lambda(pairs: list[Mirrored]) -> Table:
    columns = ("later", "earlier", "attention to it", "to itself", "an even spread", "rank")
    rows = tuple((p.later, p.earlier, p.attention, p.to_itself, p.even, p.rank) for p in pairs)
    return Table(
        columns, rows, "The lambda, pair by pair, from positions alone. Rank 1 is the largest in its row."
    )


def _named(pairs: list[Mirrored]) -> str:
    return ", ".join(f"{pair.later}–{pair.earlier}" for pair in pairs) or "none"
