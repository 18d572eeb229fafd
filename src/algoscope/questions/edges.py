"""Along which edges does what matters reach the answer?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from algoscope.analysis.attribution import Contributions
from algoscope.discovery.circuits.graph import Edge as Drawn
from algoscope.discovery.edges import Edges, edge_effects, edge_names
from algoscope.figures.circuit import circuit_drawing
from algoscope.model.component import ANSWER, EMBEDDING, Component, heads_and_mlps
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.tasks.task import Examples

PAIRS, RUNS = 96, 4000
"""Pairs that are asked for; fewer where so many runs over edges and pairs would not do."""
STRONG = 0.1
"""Of the gap: what an edge has to carry to be drawn."""
LISTED = 8
DISAGREE = 0.25
LEAST_GAP = 1.0
"""Logits: what a model must tell the inputs of a pair apart by, or there is nothing to carry."""

FEW = Claim(
    "edges-few",
    "Few edges carry much of the difference.",
    "share of all edges that carry at least a tenth of the gap, for each answer",
    at_most(0.25).each(),
)
COMPOSED = Claim(
    "edges-composed",
    "A single edge from one head or MLP to a later one carries much of the difference.",
    "largest share of the gap that such an edge carries, for each answer",
    at_least(0.25).any(),
)
AGREE = Claim(
    "edges-push-agree",
    "Every component's push on the answer agrees with its edge to the answer.",
    "largest difference between a component's share of all push and its edge's share of the gap, for each "
    "answer",
    at_most(DISAGREE).each(),
)
CLAIMS = (FEW, COMPOSED, AGREE)
QUESTION = "Along which edges does what matters reach the answer?"


@dataclass(frozen=True)
class Compared:
    """A component by two measures, as shares of what all components do together."""

    component: Component
    push: float
    edge: float

    @property
    def apart(self) -> float:
        return abs(self.push - self.edge)


def edges(seen: Seen) -> Section:
    """Along which edges does what matters reach the answer?"""
    pairs = _pairs(seen)
    if isinstance(pairs, str):
        return Section("edges", QUESTION, _text(0), all_missing(CLAIMS, pairs))
    found = edge_effects(seen.model, *pairs)
    answers = {number: each for number, each in found.by_answer.items() if each.gap >= LEAST_GAP}
    if not answers:
        reason = (
            f"the model tells no two inputs of a pair apart by {LEAST_GAP:g} logit in favour of the truth"
        )
        return Section("edges", QUESTION, _text(found.pairs), all_missing(CLAIMS, reason))
    compared = _compared(seen, answers)
    return Section(
        "edges",
        QUESTION,
        _text(found.pairs),
        (_few(answers, found.by_answer), _composed(answers), _agree(compared)),
        tables=(_table(answers), *_disagreements(compared)),
        illustrations=(_diagram(seen, answers),),
    )


def _pairs(seen: Seen) -> tuple[Examples, Examples] | str:
    """Pairs of inputs, as many as is quick; or why there are none."""
    wanted = max(8, min(PAIRS, RUNS // len(edge_names(seen.model.config))))
    one, other = seen.task.contrasts(wanted, seen.seed)
    if not len(one):
        return "the task's `contrasts` gives no pairs of inputs that are answered differently"
    if not torch.equal(one.answered, other.answered) or torch.equal(one.labels, other.labels):
        return "the task's `contrasts` gives pairs that are answered alike, or at different places"
    return one, other


def _text(pairs: int) -> str:
    return (
        f"{pairs or 'Some'} pairs of inputs that differ in little are answered differently: how far apart "
        "the model's two answers are is the gap, in logits of the one truth over the other. An edge is "
        "patched by giving one receiver what the sender would have written for the other input; its effect "
        "is how far that alone moves the answer. Effects overlap, since later edges carry again what earlier "
        "ones did. A component's push is another measure: its output along the answer's direction, with the "
        "final norm made linear, less its mean over other inputs. The two differ where a component also "
        "varies within a class (a push knows the mean only, an edge the very partner), where two inputs that "
        "differ in little make it differ more, or less, than inputs do on average, and where the norm "
        "rescales what changes."
    )


def _few(answers: Mapping[int, Edges], every_answer: Mapping[int, Edges]) -> Finding:
    counts = {number: (len(each.strong(STRONG)), len(each.edges)) for number, each in answers.items()}
    said = "; ".join(
        f"{_of(number, answers)}{few} of {every} edges" for number, (few, every) in counts.items()
    )
    left = ", ".join(str(number) for number in every_answer if number not in answers)
    note = f"left out, for want of a gap of {LEAST_GAP:g} logit: answer {left}" if left else ""
    return FEW.measured([few / every for few, every in counts.values()], said, note)


def _composed(answers: Mapping[int, Edges]) -> Finding:
    between = {
        number: [edge for edge in each.edges if edge.sender != EMBEDDING and edge.receiver != ANSWER]
        for number, each in answers.items()
    }
    if not all(between.values()):
        return COMPOSED.missing("the model has no two heads or MLPs of which one could pass on to the other")
    best = {number: max(each, key=lambda edge: edge.effect) for number, each in between.items()}
    said = "; ".join(
        f"{_of(number, answers)}{edge.sender} to {edge.receiver}: {edge.effect:.2f} of "
        f"{answers[number].gap:.2f} logits"
        for number, edge in best.items()
    )
    return COMPOSED.measured([edge.effect / answers[number].gap for number, edge in best.items()], said)


def _compared(seen: Seen, answers: Mapping[int, Edges]) -> dict[int, list[Compared]]:
    """Each component's push beside its edge to the answer, for each answer, the furthest apart first."""
    if seen.pushed is None:
        return {}
    found = {}
    for number, each in answers.items():
        push = _shares(seen.pushed, _pushed_rows(seen, number))
        edge = {edge.sender: edge.effect / each.gap for edge in each.edges if edge.receiver == ANSWER}
        if push:
            both = [Compared(part, push[part], edge[part]) for part in edge]
            found[number] = sorted(both, key=lambda one: -one.apart)
    return found


def _pushed_rows(seen: Seen, number: int) -> Bool[Tensor, "row"]:
    """The answers of this number; of two classes, those of the class that is pushed towards."""
    rows = seen.kept.row_number == number
    labels = seen.kept.labels
    return rows if seen.kept.sets or len(seen.task.classes) > 2 else rows & (labels == 0)


def _shares(pushed: Contributions, rows: Bool[Tensor, "row"]) -> dict[Component, float]:
    """Each component's part of what all push together; none if together they don't push."""
    means = pushed.mean(rows) if rows.any() else {}
    total = sum(means.values())
    return {part: mean / total for part, mean in means.items()} if total > 0 else {}


def _agree(compared: Mapping[int, list[Compared]]) -> Finding:
    if not compared:
        return AGREE.missing("the components together do not push the answer towards the truth")
    worst = {number: each[0] for number, each in compared.items()}
    said = "; ".join(
        f"{_of(number, compared)}{one.component} has {one.push:z.0%} of the push and {one.edge:z.0%} of the "
        "gap"
        for number, one in worst.items()
    )
    return AGREE.measured([one.apart for one in worst.values()], said)


def _of(number: int, answers: Mapping[int, object]) -> str:
    """Which answer is spoken of; nothing where there is one."""
    return f"answer {number}: " if len(answers) > 1 else ""


def _table(answers: Mapping[int, Edges]) -> Table:
    rows = tuple(
        (number, str(edge.sender), str(edge.receiver), edge.effect, edge.effect / each.gap)
        for number, each in answers.items()
        for edge in each.strong(STRONG)[: LISTED if len(answers) == 1 else 3]
    )
    return Table(
        ("answer", "from", "to", "logits", "share of the gap"),
        rows,
        "The strongest edges of each answer, of those that carry at least a tenth of the gap.",
    )


def _disagreements(compared: Mapping[int, list[Compared]]) -> tuple[Table, ...]:
    rows = tuple(
        (number, str(one.component), one.push, one.edge)
        for number, each in compared.items()
        for one in each
        if one.apart > DISAGREE
    )
    caption = "Components whose push and edge to the answer disagree; the text above says why they may."
    columns = ("answer", "component", "share of the push", "share of the gap along its edge")
    return (Table(columns, rows, caption),) if rows else ()


def _diagram(seen: Seen, answers: Mapping[int, Edges]) -> Illustration:
    """Every edge that is strong in some answer."""
    shares: dict[Drawn, float] = {}
    for each in answers.values():
        for edge in each.edges:
            drawn = Drawn(edge.sender, edge.receiver)
            shares[drawn] = max(edge.effect / each.gap, shares.get(drawn, 0.0))
    strong = {edge: share for edge, share in shares.items() if share >= STRONG}
    most = max((share for edge, share in shares.items() if edge not in strong), default=0.0)
    which = ", for the answer of which it is largest" if len(answers) > 1 else ""
    return Illustration(
        circuit_drawing(strong, (EMBEDDING, *heads_and_mlps(seen.model.config), ANSWER)),
        f"What carries the difference: all {len(strong)} of {len(shares)} edges that carry at least a tenth "
        f"of the gap, each as wide as its share{which}. Left out are {len(shares) - len(strong)} edges, of "
        f"which none carries more than {most:.1%}.",
    )
