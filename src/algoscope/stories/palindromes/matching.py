"""Which head compares each number with its mirror image, and how does it find it?"""

from __future__ import annotations

import torch

from algoscope.analysis.circuits import (
    attention_from_embeddings,
    largest_on_diagonal,
    masked,
    position_qk,
    token_qk,
)
from algoscope.analysis.mirror import Mirrored, mirrored_pairs
from algoscope.figures.attention import attention_viewer
from algoscope.figures.heatmaps import heatmaps
from algoscope.model.head import Head, every_head
from algoscope.questions.study import Finding, Illustration, Section, Table, Value
from algoscope.stories.palindromes.subject import LEAST_CONTRAST, NO_MATCHING, OURS, TEXT, Subject
from algoscope.tasks.palindromes import END, PAIRS, START, VALUES
from algoscope.tasks.task import Examples

ALL = 0.95
MOSTLY = 0.5
REPEATED = (START, *([1, 2, 3, 4, 5] * 4), END)


def matching_head(subject: Subject) -> Section:
    """Which head compares each number with its mirror image?"""
    role = subject.matching
    claim = "One head attends to mirror images more where they match."
    if role.head:
        claim = (
            f"Head {role.head} compares numbers with their mirror images: a later number gives its mirror "
            f"image {role.contrast[role.head]:.2f} more of its attention if the two are equal."
        )
    finding = Finding(
        "matching-head",
        claim,
        None if role.head is None else str(role.head),
        "head",
        f"at least {LEAST_CONTRAST:g} of attention between matched and mismatched mirror images",
        role.head is not None,
        TEXT,
        role.reason,
    )
    return Section(
        "matching-head",
        "Which head compares each number with its mirror image?",
        "A head that compares would look back from a number in the second half to the number that mirrors "
        "it, if they are equal, and elsewhere if not. For each head in front of the reading head: the "
        "attention that the later number of a pair gives to the earlier one, where they match minus where "
        "they don't, on average over the ten pairs and the published 500 sequences.",
        (finding, *_strong(subject), _alone(subject)),
        (_viewer(subject),),
        (_table(subject),),
    )


def token_circuit(subject: Subject) -> Section:
    """Does the matching head attend to equal numbers, whatever they are?"""
    head = subject.matcher
    question = "Does the matching head look for equal numbers?"
    text = (
        "The score between two tokens from their embeddings alone, divided by the first norm's mean "
        "scale: the row of a token shows, after a softmax, where it would look if one of each token stood "
        "before it. If the head looks for equal numbers, each row's largest entry is on the diagonal."
    )
    claim = "From embeddings alone, each number attends most to the same number."
    expected = f"at least {ALL:g} of the 31 rows, without START and END"
    unit, quote = "share of rows", "attends to a previous position if their token embeddings are the same"
    if head is None:
        missing = Finding(
            "token-qk-diagonal-share", claim, None, unit, expected, None, TEXT, NO_MATCHING, quote
        )
        return Section("token-circuit", question, text, (missing,))
    scores = token_qk(subject.model, head, subject.scale)
    share = largest_on_diagonal(scores, torch.arange(VALUES)).double().mean().item()
    words = list(subject.seen.task.vocabulary)
    chart = heatmaps(
        {f"head {head}: tokens": scores.softmax(-1).numpy()}, words, words, ("query", "key"), "weight"
    )
    finding = Finding(
        "token-qk-diagonal-share", claim, share, unit, expected, share >= ALL, TEXT, quote=quote
    )
    caption = "Softmax over keys of the scores between tokens, from their embeddings alone."
    return Section("token-circuit", question, text, (finding,), (Illustration(chart, caption),))


def position_circuit(subject: Subject) -> Section:
    """Does it know which position mirrors which?"""
    head = subject.matcher
    question = "Does the matching head know which position mirrors which?"
    text = (
        "The same from the position embeddings alone, with later positions masked. A pair works if the later "
        "position gives its mirror image more attention than itself; together the pairs draw a lambda."
    )
    if head is None:
        return Section("position-circuit", question, text, _lambda_findings(None))
    scores = masked(position_qk(subject.model, head, subject.scale), subject.model.config.attention_dir)
    pattern = scores.softmax(-1)
    pairs = sorted(mirrored_pairs(pattern, PAIRS), key=lambda pair: pair.later)
    findings = _lambda_findings(pairs)
    places = [str(position) for position in range(len(pattern))]
    chart = heatmaps({f"head {head}: positions": pattern.numpy()}, places, places, ("query", "key"), "weight")
    caption = "Softmax over keys of the scores between positions, from the position embeddings alone."
    return Section(
        "position-circuit", question, text, findings, (Illustration(chart, caption),), (_lambda(pairs),)
    )


def _lambda_findings(pairs: list[Mirrored] | None) -> tuple[Finding, ...]:
    """What the position circuit does for each pair, or that there is none to look at."""
    failing = None if pairs is None else [pair for pair in pairs if pair.fails]
    second = None if pairs is None else [pair for pair in pairs if pair.rank > 1]
    working = None if failing is None else len(PAIRS) - len(failing)
    reason = NO_MATCHING if pairs is None else ""
    return (
        Finding(
            "lambda-failures",
            "From positions alone, each later position prefers its mirror image to itself.",
            _named(failing),
            "pairs [later, earlier] that fail",
            "no pair",
            None if failing is None else not failing,
            TEXT,
            reason,
            "For i ≥ 11, position i attends to its palindromic corresponding position",
        ),
        Finding(
            "lambda-most",
            "Most later positions do."
            if working is None
            else f"{working} of {len(PAIRS)} later positions do.",
            working,
            "pairs",
            f"more than half of {len(PAIRS)}",
            None if working is None else working > len(PAIRS) / 2,
            TEXT,
            reason,
            "for most of the palindromic pairs more attention is placed on the earlier position",
        ),
        Finding(
            "lambda-not-largest",
            "The mirror image gets more attention than any other position.",
            _named(second),
            "pairs [later, earlier] where it does not",
            "no pair",
            None if second is None else not second,
            OURS,
            reason,
        ),
    )


def repeated(subject: Subject) -> Section:
    """What do positions add, where numbers repeat?"""
    question = "What do positions add where numbers repeat?"
    text = (
        "The sequence 1 2 3 4 5, four times over, is full of equal numbers that are not mirror images. "
        "Without position embeddings the matching head would attend to them alike. The figure's two "
        "panels use the true norm and leave the query and key biases out, as the published analysis does."
    )
    head = subject.matcher
    claim = "Positions move attention from other copies of a number to the mirror image."
    expected, unit = "more with positions than without", "mean attention gained by mirror images that match"
    quote = "some are weighted higher, namely the ones along the lambda, due to the positional circuit"
    if head is None:
        missing = Finding("position-effect", claim, None, unit, expected, None, TEXT, NO_MATCHING, quote)
        return Section("repeated", question, text, (missing,))
    tokens, model = torch.tensor(REPEATED), subject.model
    embedded = model.W_E[tokens].detach()
    without = attention_from_embeddings(model, head, embedded)
    with_position = attention_from_embeddings(model, head, embedded + model.W_pos[: len(tokens)].detach())
    equal = [pair for pair in PAIRS if REPEATED[pair[0]] == REPEATED[pair[1]]]
    later, earlier = torch.tensor(equal).T
    gained = (with_position - without)[later, earlier].mean().item()
    words = [subject.seen.task.vocabulary[token] for token in REPEATED]
    places = [f"{position}: {word}" for position, word in enumerate(words)]
    chart = heatmaps(
        {"without position": without.numpy(), "with position": with_position.numpy()},
        places,
        places,
        ("query", "key"),
        "weight",
    )
    caption = f"Attention of head {head} on the repeated sequence, without and with position embeddings."
    finding = Finding("position-effect", claim, gained, unit, expected, gained > 0, TEXT, quote=quote)
    return Section("repeated", question, text, (finding,), (Illustration(chart, caption),))


def _strong(subject: Subject) -> tuple[Finding, ...]:
    """The text's account of a matching number, and of one that does not match."""
    head, mismatch = subject.matcher, subject.published.concepts["mismatch"]
    measured: tuple[float | None, float | None] = (None, None)
    if head is not None:
        pattern = subject.patterns[head.layer][:, head.index]
        later = torch.tensor([pair[0] for pair in PAIRS])
        broken = mismatch[:, later]
        to_mirror = pattern[:, later, torch.tensor([pair[1] for pair in PAIRS])][~broken].mean().item()
        measured = to_mirror, pattern[:, later, later][broken].mean().item()
    quotes = (
        "if the input is a palindrome, the token will attend strongly to its corresponding token",
        "if not, it will always attend strongly to itself",
    )
    claims = (
        ("mirror-attention", "A later number that matches gives its mirror image most of its attention."),
        ("self-attention", "A later number that does not match gives itself most of its attention."),
    )
    return tuple(
        Finding(
            identity,
            claim,
            value,
            "mean attention",
            f"at least {MOSTLY:g}",
            None if value is None else value >= MOSTLY,
            TEXT,
            NO_MATCHING if value is None else "",
            quote,
        )
        for (identity, claim), value, quote in zip(claims, measured, quotes, strict=True)
    )


def _alone(subject: Subject) -> Finding:
    """Whether no other head compares too."""
    others = [
        str(head)
        for head, contrast in subject.matching.contrast.items()
        if contrast >= LEAST_CONTRAST and head != subject.matcher
    ]
    return Finding(
        "other-matching-heads",
        "No other head compares numbers with their mirror images.",
        list(others),
        "heads that do",
        f"none with a difference of {LEAST_CONTRAST:g} or more",
        None if subject.matcher is None else not others,
        OURS,
        NO_MATCHING if subject.matcher is None else "",
    )


def _viewer(subject: Subject) -> Illustration:
    """All heads on palindromes and on sequences that nearly are."""
    examples = subject.published
    count = examples.concepts["n_mismatches"]
    rows = torch.cat(
        [(count == wanted).nonzero()[:how_many, 0] for wanted, how_many in ((0, 2), (1, 2), (2, 2))]
    )
    chosen: Examples = examples[rows]
    words = [[subject.seen.task.vocabulary[token] for token in row] for row in chosen.tokens.tolist()]
    titles = [_title(index + 1, marks) for index, marks in enumerate(chosen.concepts["mismatch"].tolist())]
    stacked = torch.cat([pattern[rows] for pattern in subject.patterns], dim=1).numpy()
    heads = [str(head) for head in every_head(subject.model.config)]
    chart = attention_viewer(
        list(stacked), heads, words, titles, columns=min(2, max(1, subject.model.config.n_heads))
    )
    caption = (
        "Attention of every head, row by row from the position that looks; the menu chooses the example. "
        "Point at a cell to see the two numbers and the weight."
    )
    return Illustration(chart, caption)


def _title(number: int, marks: list[bool]) -> str:
    broken = [f"{earlier}/{later}" for later, earlier in reversed(PAIRS) if marks[later]]
    return f"example {number}: " + (f"broken at {', '.join(broken)}" if broken else "palindrome")


def _table(subject: Subject) -> Table:
    def row(head: Head) -> tuple[str | float, ...]:
        found = subject.matches[head]
        return (
            str(head),
            found.matched.mean().item(),
            found.mismatched.mean().item(),
            found.contrast,
            (found.matched - found.mismatched).min().item(),
        )

    columns = (
        "head",
        "to a mirror image that matches",
        "to one that doesn't",
        "difference",
        "least of a pair",
    )
    rows = tuple(row(head) for head in every_head(subject.model.config))
    return Table(columns, rows, "Mean attention over the published 500 sequences.")


def _lambda(pairs: list[Mirrored]) -> Table:
    columns = ("later", "earlier", "attention to it", "to itself", "an even spread", "rank")
    rows = tuple((p.later, p.earlier, p.attention, p.to_itself, p.even, p.rank) for p in pairs)
    return Table(
        columns, rows, "The lambda, pair by pair, from positions alone. Rank 1 is the largest in its row."
    )


def _named(pairs: list[Mirrored] | None) -> Value:
    return None if pairs is None else [[pair.later, pair.earlier] for pair in pairs]
