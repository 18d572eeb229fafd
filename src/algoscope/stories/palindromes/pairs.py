"""Which pairs does the model overlook, and which head reports each of them?"""

from __future__ import annotations

import math

import torch

from algoscope.analysis.through import v_circuit
from algoscope.correlation import rank_correlation
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.pair_bars import bars_above
from algoscope.model.head import Head
from algoscope.questions.study import Finding, Illustration, Section, Table, Value
from algoscope.stories.palindromes.mirror_program import predict
from algoscope.stories.palindromes.single_faults import LEAST_SHARE
from algoscope.stories.palindromes.subject import DOUBLE, NO_READING, OURS, TEXT, Subject
from algoscope.tasks.palindromes import HALF, PAIRS

WEAK = 0.1
"""Share of single mismatches that are missed."""
AGREE = 0.6
"""Rank correlation over ten pairs: by chance, one in thirty."""


def readers(subject: Subject) -> Section:
    """Which head reports which pair?"""
    faults, reader = subject.faults, subject.reading.head
    by_pair = [faults.reporters(pair) for pair in range(HALF)]
    names = [_pair(pair) for pair in range(HALF)]
    others = {
        name: heads[0] for name, heads in zip(names, by_pair, strict=True) if heads and heads[0] != reader
    }
    said = "".join(f"; head {head} reports {name}" for name, head in others.items())
    finding = Finding(
        "pair-readers",
        f"Of every pair that is reported at all, the reading head tells most{said}.",
        [heads[0] if heads else None for heads in by_pair],
        "head that tells most of each pair, the outermost first",
        "no other head for any pair",
        None if reader is None else not others,
        OURS,
        NO_READING if reader is None else "",
    )
    chart = heatmaps(
        {"": faults.told.T.numpy()}, list(faults.heads), names, ("head", "pair"), "push", middle=0.0
    )
    caption = (
        "How much further each head pushes towards “not palindrome” at END when only this pair is broken, as "
        f"against palindromes, over {faults.count:,} sequences for each pair (logits times the final norm's "
        "scale)."
    )
    return Section(
        "pair-readers",
        "Which head reports which pair?",
        "Averages over random sequences hide what only one pair does. So each of the ten pairs is broken "
        "alone, and each head's push at END is compared with its push on palindromes. An ablation on "
        "sequences that hardly ever have a single fault can't see this.",
        (finding, _idle(subject)),
        (Illustration(chart, caption),),
    )


def weakness(subject: Subject) -> Section:
    """Which pairs are overlooked, and do the weights say so?"""
    faults = subject.faults
    weak = [list(pair) for pair, missed in zip(PAIRS, faults.missed.tolist(), strict=True) if missed >= WEAK]
    weak.sort()
    question = "Which pairs does the model overlook, and do its weights say so?"
    text = (
        f"Each pair is broken alone in {faults.count:,} sequences, and the share that the model takes for "
        "palindromes is measured. The prediction runs the position circuits of all heads on a typical "
        "input, in which every number is the mean of all numbers, and takes what is left for “palindrome” "
        "in front of the final norm as log odds: weights, no example and no fitted constant. (It was chosen "
        "over the margin behind the norm when both had been seen on the public ARENA model.) The "
        "published analysis predicts weakness from one circuit: the V-composition value of a pair's later "
        "position less that of its earlier one."
    )
    findings = (
        Finding(
            "weak-pairs",
            "No pair is overlooked." if not weak else f"{len(weak)} of {HALF} pairs are overlooked.",
            [[*pair] for pair in weak],
            f"pairs [later, earlier] of which {WEAK:.0%} or more are missed",
            "none",
            not weak,
            OURS,
        ),
        *_correlations(subject),
        _wrong_signs(subject),
        _two(subject),
    )
    return Section("weak-pairs", question, text, findings, _figures(subject), (_table(subject),))


def _idle(subject: Subject) -> Finding:
    """Whether another head of the reading layer reports a pair."""
    faults, own = subject.faults, subject.reader
    others = [
        name for name in faults.heads if own and name != str(own) and Head.parse(name).layer == own.layer
    ]
    claim, share = "The heads beside the reading head report no pair.", None
    if others:
        share, name, pair = max(
            (faults.share(pair, name), name, pair) for name in others for pair in range(HALF)
        )
        claim = f"Head {name}, beside the reading head, reports no pair"
        claim += f": of {_pair(pair)} it tells most, {share:.0%} of what all heads tell." if share else "."
    return Finding(
        "idle-head-by-pair",
        claim,
        share,
        "largest share of what all heads tell of one pair",
        f"less than {LEAST_SHARE:g}",
        None if share is None else share < LEAST_SHARE,
        TEXT,
        "" if others else "there is no other head in its layer" if own else NO_READING,
        "H1.1 is not useful at all",
    )


def _predicted(subject: Subject) -> torch.Tensor | None:
    """The probability of overlooking each pair, from weights alone."""
    if subject.reader is None:
        return None
    single = torch.eye(HALF, dtype=torch.bool)
    # Numbers add their noise in front of the final norm, so it is the margin there that keeps an answer safe.
    return torch.sigmoid(-predict(subject.model, subject.reader.layer, single).margin)


def _published(subject: Subject) -> torch.Tensor | None:
    """The same by the published reasoning: the V-composition circuit alone."""
    if subject.reader is None or subject.matcher is None:
        return None
    values = v_circuit(subject.model, subject.matcher, subject.reader, subject.direction.vector)
    later, earlier = torch.tensor(PAIRS).T
    return values[earlier] - values[later]


def _correlations(subject: Subject) -> tuple[Finding, ...]:
    faults = subject.faults
    measures = (
        (
            "weak-pairs-rank-correlation",
            "The position circuits predict which pairs are missed.",
            _predicted(subject),
            faults.missed,
            OURS,
            "",
        ),
        (
            "weak-pairs-logit-rank-correlation",
            "The position circuits predict how sure the model is of each pair.",
            _predicted(subject),
            -faults.logit,
            OURS,
            "",
        ),
        (
            "weak-pairs-v-circuit-rank-correlation",
            "The V-composition circuit alone predicts which pairs are missed.",
            _published(subject),
            faults.missed,
            TEXT,
            "",
        ),
    )
    return tuple(_correlation(*measure) for measure in measures)


def _correlation(
    identity: str,
    claim: str,
    predicted: torch.Tensor | None,
    measured: torch.Tensor,
    source: str,
    quote: str,
) -> Finding:
    value = None if predicted is None else rank_correlation(predicted, measured)
    value = None if value is None or math.isnan(value) else value
    reason = ""
    if value is None:
        reason = "every pair is missed equally often" if predicted is not None else "a role is missing"
    return Finding(
        identity,
        claim,
        value,
        "rank correlation over pairs",
        f"at least {AGREE:g}",
        None if value is None else value >= AGREE,
        source,
        reason,
        quote,
    )


def _wrong_signs(subject: Subject) -> Finding:
    """Whether the pairs whose V-composition has the wrong sign are those that are missed."""
    identity, quote = "wrong-sign-pairs", "the model's functionality breaks down at these positions as well"
    claim = "Every pair for which the V-composition circuit is the wrong way round is overlooked."
    unit, expected = "pairs [later, earlier] that are seen all the same", "none"
    gap = _published(subject)
    if gap is None:
        return Finding(identity, claim, None, unit, expected, None, TEXT, "a role is missing", quote)
    wrong = (gap > 0).nonzero()[:, 0].tolist()
    seen = [pair for pair in wrong if subject.faults.missed[pair] < WEAK]
    if wrong:
        claim += (
            " They are "
            + ", ".join(f"{_pair(p)} ({subject.faults.missed[p]:.0%} missed)" for p in wrong)
            + "."
        )
    value: Value = [list(PAIRS[pair]) for pair in seen]
    reason = "" if wrong else "no pair is the wrong way round"
    return Finding(identity, claim, value, unit, expected, not seen if wrong else None, TEXT, reason, quote)


def _two(subject: Subject) -> Finding:
    """Whether a second fault makes the first one visible."""
    grid, single = subject.double_faults, subject.faults.missed
    excess = grid - torch.minimum(single[:, None], single)
    excess = torch.where(excess.isnan(), -1.0, excess)
    a, b = divmod(int(excess.argmax()), HALF)
    return Finding(
        "two-mismatch-interaction",
        "A second mismatch never hides the first: with two broken pairs the model misses no more than "
        f"with the more visible of them alone. The nearest to an exception are {_pair(a)} and {_pair(b)}.",
        excess[a, b].item(),
        "largest rise of the share missed",
        "at most 0.05",
        excess[a, b].item() <= 0.05,
        OURS,
    )


def _figures(subject: Subject) -> tuple[Illustration, ...]:
    predicted, names = _predicted(subject), [_pair(pair) for pair in range(HALF)]
    grid = heatmaps(
        {"": subject.double_faults.numpy()}, names, names, ("one pair", "another"), "share missed"
    )
    two = Illustration(
        grid,
        f"The share of sequences taken for palindromes when two pairs are broken, {DOUBLE} for each two.",
    )
    if predicted is None:
        return (two,)
    chart = bars_above(
        names,
        {"predicted": predicted.numpy(), "measured": subject.faults.missed.numpy()},
        "broken pair",
    )
    caption = (
        "The probability of overlooking each pair, predicted from weights alone, and the share that the "
        "model overlooks."
    )
    return Illustration(chart, caption), two


def _table(subject: Subject) -> Table:
    faults, predicted, published = subject.faults, _predicted(subject), _published(subject)
    rows = tuple(
        (
            _pair(pair),
            faults.missed[pair].item(),
            faults.logit[pair].item(),
            None if predicted is None else predicted[pair].item(),
            None if published is None else -published[pair].item(),
        )
        for pair in range(HALF)
    )
    columns = ("pair", "share missed", "mean logit", "predicted share", "V-composition gap")
    return Table(columns, rows, "Single mismatches, pair by pair. Positive speaks for “not palindrome”.")


def _pair(index: int) -> str:
    return f"{PAIRS[index][0]}–{PAIRS[index][1]}"
