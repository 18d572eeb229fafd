"""Which component pushes the answer directly, and how far?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from algoscope.analysis.attribution import Contributions, histograms
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.histograms import contribution_histograms
from algoscope.model.component import Component
from algoscope.questions.bound import Exists, at_least
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.roles import CRITERION, LEAST_PUSH, strongest_head
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

DECISIVE = Claim(
    "decisive-head",
    "One head stands out by how far it pushes the answer directly, not by way of later layers.",
    "head",
    Exists(CRITERION),
)
BY_ANSWER = Claim(
    "push-by-answer",
    "At each place in the order of answers, some head pushes the answer far, directly.",
    "logits",
    at_least(LEAST_PUSH, "it multiplies the odds by e² = 7.4").each(),
)
MOST_PANELS = 5
"""In a row: with more, their labels would touch."""


def attribution(seen: Seen) -> Section:
    """Which component pushes the answer directly, and how far?"""
    pushed = seen.pushed
    return Section(
        "attribution",
        "Which component pushes the answer directly?",
        _text(seen),
        _findings(seen),
        () if pushed is None else (_spread(seen, pushed), *_by_answer(seen, pushed)),
        () if pushed is None else (_table(seen, pushed),),
    )


def _text(seen: Seen) -> str:
    two = len(seen.task.classes) == 2 and not seen.kept.sets
    aim, zero = "the truth", "what a component would contribute if it wrote its mean everywhere"
    if two:
        kind, other = seen.task.classes
        aim, zero = f"“{kind}” as against “{other}”", f"the mean over answers that should be “{other}”"
    elif not seen.kept.sets:
        aim = "the true class as against the mean of the others"
    return (
        f"What each component writes at {seen.where} is measured along the direction that speaks for {aim}, "
        f"brought in front of the final norm by the linear map. Zero is {zero}. A component whose histogram "
        "separates the kinds of input takes part in the decision. This is push, not need: a head that others "
        "make up for may push far, and one that only feeds later layers pushes nothing by itself; which "
        "parts the answers suffer without is asked in “Which heads and MLPs does the model need?”. The "
        "weights are those stored."
    )


def _marked(seen: Seen) -> tuple[Bool[Tensor, "row"], str]:
    """The rows over which a push is averaged, and their name: of two classes, those of the first."""
    labels = seen.kept.labels
    if len(seen.task.classes) == 2 and not seen.kept.sets:
        return labels == 0, seen.task.classes[0]
    return seen.kept.row_example >= 0, "every answer"


def _findings(seen: Seen) -> tuple[Finding, ...]:
    rows, kind = _marked(seen)
    role = strongest_head(seen.pushed, rows, kind)
    if seen.pushed is None or role.push is None:
        return (DECISIVE.missing(role.reason),)
    said = f"head {role.head} pushes {role.push:.2f} logits" if role.head else role.reason
    decisive = DECISIVE.measured(str(role.head) if role.head else "", said=said)
    if seen.one_answer:
        return (decisive,)
    strongest = {number: _strongest(seen.pushed, each) for number, each in _numbered(seen, rows).items()}
    told = "; ".join(f"answer {number}: {head} by {push:.2f}" for number, (head, push) in strongest.items())
    return (decisive, BY_ANSWER.measured([push for _, push in strongest.values()], said=told))


def _numbered(seen: Seen, rows: Bool[Tensor, "row"]) -> dict[int, Bool[Tensor, "row"]]:
    """The marked rows of each answer number that has any."""
    number = seen.kept.row_number
    masks = {each: rows & (number == each) for each in number.unique().tolist()}
    return {each: mask for each, mask in masks.items() if mask.any()}


def _strongest(pushed: Contributions, rows: Bool[Tensor, "row"]) -> tuple[Component, float]:
    means = pushed.mean(rows)
    head = max(pushed.heads, key=means.__getitem__)
    return head, means[head]


def _table(seen: Seen, pushed: Contributions) -> Table:
    rows, kind = _marked(seen)
    columns = {kind: rows}
    if not seen.one_answer:
        columns |= {f"answer {number}": mask for number, mask in _numbered(seen, rows).items()}
    means = {name: pushed.mean(mask) for name, mask in columns.items()}
    return Table(
        ("component", *columns),
        tuple((str(part), *(of[part] for of in means.values())) for part in pushed.parts),
        f"The mean push of each component towards “{pushed.towards}”, in logits.",
    )


def _spread(seen: Seen, pushed: Contributions) -> Illustration:
    """The spread of every component's contribution, by group."""
    config = seen.model.config
    # A row per layer where that fits.
    columns = min(max(2, config.n_heads + (1 if config.d_mlp else 0)), MOST_PANELS)
    caption = (
        f"What each component contributes towards “{pushed.towards}”, in logits: the embedding, then layer "
        "by layer. Each line is the share of one kind of input; the height of each panel is its own."
    )
    return Illustration(contribution_histograms(histograms(pushed, seen.row_groups), columns), caption)


def _by_answer(seen: Seen, pushed: Contributions) -> tuple[Illustration, ...]:
    """The mean push of every component at each answer number, where there are several."""
    if seen.one_answer:
        return ()
    rows, _ = _marked(seen)
    numbered = _numbered(seen, rows)
    grid = np.array([list(pushed.mean(mask).values()) for mask in numbered.values()]).T
    figure = heatmaps(
        {"": grid},
        list(map(str, pushed.parts)),
        list(map(str, numbered)),
        ("component", "answer"),
        "logits",
        0.0,
    )
    return (
        Illustration(figure, f"The mean push towards “{pushed.towards}” at each answer, from the first, 0."),
    )
