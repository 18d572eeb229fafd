"""Is the claimed circuit all there is?"""

from __future__ import annotations

from algoscope.discovery.faithfulness import MEAN, Faithfulness, Part, faithfulness
from algoscope.interventions.sources import Resample
from algoscope.model.head import Head
from algoscope.questions.generic import LEAST_ACCURACY
from algoscope.questions.study import Section, Table
from algoscope.questions.tested import Claim
from algoscope.stories.palindromes.subject import LEAST_CONTRAST, NO_MATCHING, NO_READING, TEXT, Subject
from algoscope.tasks.palindromes import HALF

GUESS = 0.6
"""Half of the sequences are palindromes: an accuracy below this is little better than guessing."""

ALONE = Claim(
    "circuit-only-accuracy",
    "With everything outside the matching and the reading head at its mean, the model is still right.",
    "share of answers",
    f"at least {LEAST_ACCURACY:g}",
    source=TEXT,
)
RESAMPLED = Claim(
    "circuit-only-accuracy-resample",
    "With everything outside them taken from another input, it is right too.",
    "share of answers",
    f"at least {LEAST_ACCURACY:g}",
)
WITHOUT = Claim(
    "circuit-without-accuracy",
    "With the two heads at their mean, the model guesses.",
    "share of answers",
    f"at most {GUESS:g}",
)
LARGER = Claim(
    "larger-circuit-only-accuracy",
    "With everything outside the larger circuit at its mean, the model is right.",
    "share of answers",
    f"at least {LEAST_ACCURACY:g}",
)


def circuit(subject: Subject) -> Section:
    """Is the claimed circuit all there is?"""
    question = "Are the matching and the reading head all there is?"
    text = (
        "Everything outside the two heads is replaced, by its mean over inputs or by what it is on "
        "another input, and then the two heads alone are. The first says whether they are enough, the "
        "second whether they are needed. The larger circuit adds every head that was given a part above: "
        "other heads that report a pair or compare, and heads that break the model when zeroed; it is "
        "left out if it is the whole model. On the published 500 sequences; embeddings and norms stay."
    )
    if subject.reader is None or subject.matcher is None:
        reason = NO_READING if subject.reader is None else NO_MATCHING
        claims = (ALONE, RESAMPLED, WITHOUT, LARGER)
        return Section("circuit", question, text, tuple(claim.missing(reason) for claim in claims))
    claimed = (subject.matcher, subject.reader)
    mean, resample = _tested(subject, claimed)
    rows = _rows(f"heads {claimed[0]} and {claimed[1]}", mean, resample)
    findings = [
        ALONE.found(mean.alone.accuracy, mean.alone.accuracy >= LEAST_ACCURACY),
        RESAMPLED.found(resample.alone.accuracy, resample.alone.accuracy >= LEAST_ACCURACY),
        WITHOUT.found(mean.without.accuracy, mean.without.accuracy <= GUESS),
    ]
    larger = _larger(subject, claimed)
    if len(claimed) < len(larger) < subject.ablated.zero.numel():
        mean, resample = _tested(subject, larger)
        rows += _rows("heads " + ", ".join(map(str, larger)), mean, resample)
        findings.append(LARGER.found(mean.alone.accuracy, mean.alone.accuracy >= LEAST_ACCURACY))
    else:
        what = "the two heads" if len(larger) == len(claimed) else "the whole model"
        findings.append(LARGER.missing(f"the larger circuit is {what}"))
    columns = (
        "circuit",
        "replaced by",
        "whole model",
        "circuit alone",
        "its loss",
        "without the circuit",
        "its loss",
    )
    table = Table(columns, tuple(rows), "Accuracy, and mean cross-entropy in nats.")
    return Section("circuit", question, text, tuple(findings), tables=(table,))


def _tested(subject: Subject, heads: tuple[Head, ...]) -> tuple[Faithfulness, Faithfulness]:
    parts = [Part(str(head)) for head in heads]
    mean, resample = (
        faithfulness(subject.model, subject.published, parts, source)
        for source in (MEAN, Resample(seed=subject.seed))
    )
    return mean, resample


def _larger(subject: Subject, claimed: tuple[Head, Head]) -> tuple[Head, ...]:
    """The claimed heads, those that report a pair or compare, and those that break the model when zeroed."""
    roles, faults = subject.matching, subject.faults
    heads = set(claimed)
    heads |= {Head.parse(name) for pair in range(HALF) for name in faults.reporters(pair)}
    heads |= {head for head, contrast in roles.contrast.items() if contrast >= LEAST_CONTRAST}
    heads |= {Head(*where) for where in (subject.ablated.zero >= 0.1).nonzero().tolist()}
    return tuple(sorted(heads))


def _rows(name: str, mean: Faithfulness, resample: Faithfulness) -> list[tuple[str | float, ...]]:
    return [
        (
            name,
            by,
            found.whole.accuracy,
            found.alone.accuracy,
            found.alone.loss,
            found.without.accuracy,
            found.without.loss,
        )
        for by, found in (("mean", mean), ("another input", resample))
    ]
