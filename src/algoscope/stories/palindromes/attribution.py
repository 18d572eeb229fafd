"""What pushes the answer directly, and which head reads the verdict out?"""

from __future__ import annotations

import torch

from algoscope.analysis.attribution import Contributions, histograms
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.direct import direct_contributions
from algoscope.figures.histograms import contribution_histograms
from algoscope.questions.roles import EXPECTED, Role
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.stories.palindromes.subject import TEXT, Subject
from algoscope.tasks.palindromes import END_POSITION

LITTLE = 1.0
"""Of the norm-free logits: less than a tenth of what separates the classes in a model that is sure."""


def attribution(subject: Subject) -> Section:
    """Which component decides?"""
    examples = subject.small
    parts = decompose(subject.model, examples, END_POSITION)
    pushed = direct_contributions(subject.model, examples, parts, subject.direction)
    groups = subject.seen.task.groups(examples)
    gap = _gap(pushed, examples.labels)
    panels = contribution_histograms(histograms(pushed, groups), columns=max(2, subject.model.config.n_heads))
    others = [name for name in gap if name != subject.reading.head]
    return Section(
        "attribution",
        "Which component pushes the answer, and how far?",
        "The answer is the difference of two logits, so it is a direction: the unembedding of “not "
        "palindrome” minus that of “palindrome”. The residual stream at END is the sum of the token and "
        "position embeddings, the heads' outputs and a constant; each is measured along that direction. "
        "As in the published analysis, the histograms leave the final norm out, over the published 100 "
        "sequences; the reading head is found on this study's examples with the norm linearised.",
        (
            _role(subject.reading),
            *_silent(pushed, gap, others),
            _adds_up(parts),
        ),
        (
            Illustration(
                panels,
                "What each component contributes towards “not palindrome” at END, in logits times the final "
                "norm's scale, by class, over the published 100 sequences.",
            ),
        ),
        (_table(pushed, examples.labels),),
    )


def _role(reading: Role) -> Finding:
    head, claim = reading.head, "One head carries the verdict to END."
    if head:
        claim = (
            f"Head {head} carries the verdict to END: it pushes sequences that are no palindromes by "
            f"{reading.push:.2f} logits more than palindromes, more than any other head."
        )
    return Finding(
        "reading-head",
        claim,
        head,
        "head",
        EXPECTED,
        None if reading.push is None else head is not None,
        TEXT,
        reading.reason,
        "H1.0 directly contributes greatly to the correct answer, with a clear separation",
    )


def _adds_up(parts: Components) -> Finding:
    most = 1e-5 * parts.resid.abs().max().item()
    return Finding(
        "attribution-max-error",
        "The components and the output biases add up to the residual stream at END.",
        parts.max_error,
        "largest gap in any coordinate",
        f"at most {most:.2g}, which rounding explains",
        parts.max_error <= most,
        TEXT,
    )


def _gap(pushed: Contributions, labels: torch.Tensor) -> dict[str, float]:
    """How much further each component pushes, on average, where there is no palindrome."""
    without, with_ = pushed.mean(labels == 0), pushed.mean(labels == 1)
    return {name: without[name] - with_[name] for name in pushed.names}


def _silent(pushed: Contributions, gap: dict[str, float], others: list[str]) -> tuple[Finding, ...]:
    """Whether components before the last layer tell nothing, and what the second head of it tells."""
    early = [name for name in others if not name.startswith(f"{_last_layer(pushed)}.")]
    loudest = max(early, key=lambda name: abs(gap[name]))
    late = [name for name in others if name not in early]
    second = max(late, key=lambda name: abs(gap[name])) if late else None
    return (
        Finding(
            "early-components-gap",
            f"What is written before the last layer says little about the class directly, {loudest} most.",
            abs(gap[loudest]),
            "norm-free logits between the classes",
            f"at most {LITTLE:g}",
            abs(gap[loudest]) <= LITTLE,
            TEXT,
            quote="embed, pos_embed, H0.0 and H0.1 do not have significant direct impact on the results",
        ),
        Finding(
            "second-reader-gap",
            f"{f'Head {second}' if second else 'A head'}, beside the reading head, also separates the "
            "classes.",
            abs(gap[second]) if second else None,
            "norm-free logits between the classes",
            f"more than {LITTLE:g}",
            abs(gap[second]) > LITTLE if second else None,
            TEXT,
            "" if second else "there is no other head in the last layer",
            quote="H1.1 also seems to contribute a bit, without as clean a separation",
        ),
    )


def _last_layer(pushed: Contributions) -> str:
    return pushed.heads[-1].split(".")[0]


def _table(pushed: Contributions, labels: torch.Tensor) -> Table:
    palindrome, other = pushed.values[:, labels == 1], pushed.values[:, labels == 0]
    rows = tuple(
        (
            name,
            *(value.item() for value in (no.mean(), no.std(), yes.mean(), yes.std(), no.mean() - yes.mean())),
        )
        for name, no, yes in zip(pushed.names, other, palindrome, strict=True)
    )
    columns = ("component", "not palindrome: mean", "std", "palindrome: mean", "std", "gap")
    caption = "Contributions towards “not palindrome” at END, in logits times the final norm's scale."
    return Table(columns, rows, caption)
