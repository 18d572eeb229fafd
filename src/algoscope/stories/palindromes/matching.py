"""Which head compares each number with its mirror image, and how does it find it?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.circuits import (
    attention_from_embeddings,
    largest_on_diagonal,
    masked,
    mean_norm_scale,
    position_qk,
    token_qk,
)
from algoscope.analysis.mirror import Mirrored, mirrored_pairs
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head, every_head
from algoscope.questions.bound import Exists, at_least, at_most, more_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.subject import LEAST_CONTRAST, NO_MATCHING, TEXT, Subject, subject
from algoscope.tasks.palindromes import END, PAIRS, START, VALUES

REPEATED = torch.tensor([START, *[1, 2, 3, 4, 5] * 4, END])
EXCEPTIONS = ((19, 2), (17, 4))
"""Pairs of the public model that the text itself excepts from what it says of positions."""

MATCHING = Claim(
    "matching-head",
    "One head, before the one that reads the verdict out, attends to a mirror image more if it matches.",
    "head", Exists(f"at least {LEAST_CONTRAST:g} more of its attention, on average over pairs"), TEXT,
    "a token that H0.0 has discovered breaks the palindrome property (it has no corresponding token in the "
    "first half)",
)  # fmt: skip
MIRROR = Claim(
    "mirror-attention",
    "A later number that matches gives its mirror image most of the matching head's attention.",
    "mean attention", at_least(0.5), TEXT,
    "If the input is a palindrome, the token will attend strongly to its corresponding token in the first "
    "half",
)  # fmt: skip
ITSELF = Claim(
    "self-attention",
    "A later number that does not match gives itself most of the matching head's attention.",
    "mean attention", at_least(0.5), TEXT,
    "It will always attend strongly to itself",
)  # fmt: skip
OTHERS = Claim(
    "other-matching-heads",
    "No other head before the reading head compares numbers with their mirror images.",
    f"other heads that give a match {LEAST_CONTRAST:g} or more of attention more", at_most(0),
)  # fmt: skip
DIAGONAL = Claim(
    "token-qk-diagonal-share",
    "From token embeddings alone, the matching head scores each number highest with itself.",
    "share of the 31 numbers", at_least(0.95), TEXT,
    "Sequence position $i$ attends to a previous position $j$ if their token embeddings are the same.",
)  # fmt: skip
MOST = Claim(
    "lambda-most",
    "From positions alone, most later positions give their mirror image more attention than themselves.",
    "pairs, of 10", more_than(5), TEXT,
    "for *most* of the palindromic positional pairs `[(11, 10), (12, 9), ...]`, more attention is placed on "
    "the earlier position (although I see notable exceptions for `(19, 2)` and `(17, 4)`)",
)  # fmt: skip
FAILURES = Claim(
    "lambda-failures",
    "From positions alone, every later position gives its mirror image more attention than itself, but for "
    "the two exceptions that the text names.",
    "other pairs that don't", at_most(0), TEXT,
    'For $i \\geq 11$, position $i$ attends to its "palindromic corresponding" position $j$ (i.e. 11 '
    'attends to 10, 12 attends to 9, and so on).',
)  # fmt: skip
LARGEST = Claim(
    "lambda-not-largest",
    "From positions alone, the mirror image gets more attention than any other position.",
    "pairs where it does not", at_most(0),
)  # fmt: skip
POSITION = Claim(
    "position-effect", "Where numbers repeat, positions move attention to the copy that is the mirror image.",
    "mean attention gained", at_least(0.1, "what a head gives a mirror image more, to be called matching"),
    TEXT,
    'some are weighted higher than others - namely the ones along the "lambda," due to the contribution of '
    'the positional circuit',
)  # fmt: skip


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
        tables=(_table(own),),
    )


def finding_mirrors(seen: Seen) -> Section:
    """How does it find the mirror image: by the number, by the position?"""
    own = subject(seen)
    head, question = own.matcher, "How does the matching head find the mirror image?"
    text = (
        "Its scores come from two circuits. From token embeddings alone: does each number look for itself? "
        "From position embeddings alone, later positions masked: does each later position look at its mirror "
        "image rather than at itself, so that the pairs draw a lambda? Both are divided by the first norm's "
        "mean scale. Last, the sequence 1 2 3 4 5, four times over, is full of equal numbers that are not "
        "mirror images; the figure shows attention on it without and with position embeddings, with the true "
        "norm and without the query and key biases, as the published analysis does."
    )
    if head is None:
        missing = all_missing((DIAGONAL, MOST, FAILURES, LARGEST, POSITION), NO_MATCHING)
        return Section("finding-mirrors", question, text, missing)
    scale = mean_norm_scale(own.model, own.examples.tokens[:100], layer=0)
    on = largest_on_diagonal(token_qk(own.model, head, scale), torch.arange(VALUES))
    scores = masked(position_qk(own.model, head, scale), own.model.config.attention_dir)
    pairs = sorted(mirrored_pairs(scores.softmax(-1), PAIRS), key=lambda pair: pair.later)
    attention = _repeated(own, head)
    said = f"head {head} does for {int(on.sum())} of {VALUES}"
    findings = (
        DIAGONAL.measured(on.double().mean().item(), said),
        *_lambda(pairs),
        _gained(*attention.values()),
    )
    words = [f"{position}: {word}" for position, word in enumerate(own.seen.task.words(REPEATED))]
    panels = {name: pattern.numpy() for name, pattern in attention.items()}
    chart = heatmaps(panels, words, words, ("query", "key"), "weight")
    figure = Illustration(chart, f"Attention of head {head} on the repeated sequence.")
    return Section("finding-mirrors", question, text, findings, (figure,), (_pairs(pairs),))


def _role(own: Subject) -> Finding:
    if not own.contrast:
        return MATCHING.measured("", note=f"no layer comes before the reading head {own.reader}")
    best = max(own.contrast, key=lambda head: own.contrast[head])
    said = f"head {best} gives {own.contrast[best]:.3f} more"
    return MATCHING.measured(str(own.matcher or ""), said, "" if own.matcher else "that is too little")


def _attention(own: Subject) -> tuple[Finding, ...]:
    """What the text says of numbers that match and that don't, and whether other heads compare."""
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
    others = [each for each, contrast in own.contrast.items() if contrast >= LEAST_CONTRAST and each != head]
    said = f"head {head} compares; so do {', '.join(map(str, others)) or 'no others'}"
    return (*found, OTHERS.measured(len(others), said))


def _lambda(pairs: list[Mirrored]) -> tuple[Finding, ...]:
    """For which pairs the position circuit works."""
    failing = [pair for pair in pairs if pair.fails]
    others = [pair for pair in failing if (pair.later, pair.earlier) not in EXCEPTIONS]
    second = [pair for pair in pairs if pair.rank > 1]
    return (
        MOST.measured(len(pairs) - len(failing), f"those that don't: {_named(failing)}"),
        FAILURES.measured(len(others), f"those that don't: {_named(failing)}"),
        LARGEST.measured(len(second), f"they are {_named(second)}"),
    )


@torch.no_grad()
def _repeated(own: Subject, head: Head) -> dict[str, Float[Tensor, "query key"]]:
    """Its attention on the repeated sequence, from tokens alone and from positions too."""
    embedded, positions = own.model.W_E[REPEATED], own.model.W_pos[: len(REPEATED)]
    return {
        "without position": attention_from_embeddings(own.model, head, embedded),
        "with position": attention_from_embeddings(own.model, head, embedded + positions),
    }


def _gained(without: Float[Tensor, "query key"], with_position: Float[Tensor, "query key"]) -> Finding:
    equal = [pair for pair in PAIRS if REPEATED[pair[0]] == REPEATED[pair[1]]]
    later, earlier = torch.tensor(equal).T
    before, after = (each[later, earlier].mean().item() for each in (without, with_position))
    return POSITION.measured(after - before, f"from {before:.3f} to {after:.3f}")


def _table(own: Subject) -> Table:
    def row(head: Head) -> tuple[str | float | None, ...]:
        found = own.matches[head]
        gained = found.matched - found.mismatched
        cells = (found.matched.nanmean(), found.mismatched.nanmean(), gained.nanmean())
        return (str(head), *(None if cell.isnan() else cell.item() for cell in cells))

    columns = ("head", "to a mirror image that matches", "to one that doesn't", "difference")
    rows = tuple(row(head) for head in every_head(own.model.config))
    return Table(columns, rows, f"Mean attention over {len(own.examples):,} examples.")


def _pairs(pairs: list[Mirrored]) -> Table:
    columns = ("later", "earlier", "attention to it", "to itself", "an even spread", "rank")
    rows = tuple((p.later, p.earlier, p.attention, p.to_itself, p.even, p.rank) for p in pairs)
    return Table(
        columns, rows, "The lambda, pair by pair, from positions alone. Rank 1 is the largest in its row."
    )


def _named(pairs: list[Mirrored]) -> str:
    return ", ".join(f"{pair.later}–{pair.earlier}" for pair in pairs) or "none"
