"""How does the model do it: which part carries what, and how much of the model does that explain?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from algoscope.errors import UserError
from algoscope.explanation.explain import explain
from algoscope.explanation.explanation import Carried, Explanation
from algoscope.explanation.words import finer, percent, told, words
from algoscope.figures.explanation import explanation_drawing, shown_places
from algoscope.questions.bound import Exists, at_least
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

FLAT = Claim(
    "explained-flat",
    "A few facts about its input decide what each part of the model puts out.",
    "share of inputs answered alike, with each output that of another input that agrees on them",
    at_least(0.9),
)
RECURSIVE = Claim(
    "explained-recursive",
    "From the tokens up, each part needs nothing but a few facts from the parts before.",
    "share of inputs answered alike, with what each part reads replaced in the same way first",
    at_least(0.9),
)
NODES = Claim(
    "explained-nodes",
    "Each part that matters carries facts that have a name.",
    "share of the parts that matter, place by place, of which what was found carries enough",
    at_least(0.9),
)
NEEDED = Claim(
    "explained-needed",
    "A part needs each of the facts that it is said to carry.",
    "share of a part's effect that is lost if only the least needed of its facts is another",
    at_least(0.05),
)
BEYOND = Claim(
    "explained-beyond-token",
    "Some part carries more than the token and the place where it stands.",
    "the part of most effect that does",
    Exists("a part that matters and carries what attention must have fetched"),
)
CLAIMS = (FLAT, RECURSIVE, NODES, NEEDED, BEYOND)
BASELINES = ("true label", "most frequent")
"""They answer, but have no probabilities."""
ALSO = 3
"""Concepts that are named beside the one that is taken, where all say the same."""
METHOD = (
    "A part (a head, an MLP) at a place carries a fact about the input if only that decides what it does: in "
    "place of its output stands its output on another input that agrees on the fact and differs otherwise, "
    "and the answers stay. Facts are primitives that need no task, and those that the task names; several "
    "may be taken together, and the simplest that carry enough are kept. A part is idle if any other "
    "input's output does as well. Two tests of all parts at once show how much of the model that explains: "
    "flat, each output is the model's own on the other input; recursive, it is computed there from what "
    "has been replaced already. That answers stay shows that what is said is enough, not that it is the "
    "only way to say it; docs/explain.md has what each test does not show."
)


def explained(seen: Seen) -> Section:
    """How does the model do it?"""
    section = Section("explained", "How does the model do it?", METHOD)
    try:
        found = explain(seen.model, seen.task, seen.kept, seen.seed)
    except UserError as error:
        return replace(section, findings=all_missing(CLAIMS, str(error)))
    return replace(
        section,
        words=words(found),
        findings=_findings(found),
        tables=(_nodes(found), _tests(found)),
        overview=_drawn(found),
    )


def _findings(found: Explanation) -> tuple[Finding, ...]:
    baseline = f"; the true answers alone: {percent(found.survival['true label'].same.mean)}"
    tests = tuple(
        claim.measured(found.survival[test].same.mean, f"{found.survival[test].same}{baseline}")
        for claim, test in ((FLAT, "flat"), (RECURSIVE, "recursive"))
    )
    if not found.nodes:
        reason = "no part matters: each may put out what it puts out on any other input"
        return (*tests, *all_missing((NODES, NEEDED), reason), _beyond(found.nodes))
    return (*tests, _named(found.nodes), _needed(found.nodes), _beyond(found.nodes))


def _named(nodes: Sequence[Carried]) -> Finding:
    count = sum(each.explained for each in nodes)
    return NODES.measured(count / len(nodes), f"{count} of {len(nodes)}")


def _needed(nodes: Sequence[Carried]) -> Finding:
    needs = [
        (need, factor.name, each.node)
        for each in nodes
        if each.explained
        for factor, need in zip(each.factors, each.needed, strict=True)
        if need is not None
    ]
    if not needs:
        return NEEDED.missing("no part was found to carry anything that inputs differ in alone")
    least, name, node = min(needs, key=lambda each: each[0])
    return NEEDED.measured(least, f"{node} needs this least: {name}")


def _beyond(nodes: Sequence[Carried]) -> Finding:
    """A concept of depth 0 is known from the embeddings."""
    found = [each for each in nodes if each.explained and any(factor.depth for factor in each.factors)]
    if not found:
        return BEYOND.measured("", f"none of {len(nodes)} parts that matter")
    most = max(found, key=lambda each: each.importance.kl)
    return BEYOND.measured(
        str(most.node), f"it carries {most.concept}; so do {len(found)} of {len(nodes)} in all"
    )


def _nodes(found: Explanation) -> Table:
    rows = tuple(
        (
            str(number),
            str(each.node),
            told(each),
            each.bits,
            each.carried.mean,
            ", ".join("–" if need is None else f"{need:.2f}" for need in each.needed),
            each.importance.kl,
            ", ".join(finer(each)),
            _also(each),
        )
        for number, each in enumerate(found.nodes, start=1)
    )
    return Table(
        (
            "",
            "part",
            "carries",
            "bits",
            "kept",
            "needed",
            "worth",
            "with all others: also",
            "the same on every input",
        ),
        rows,
        "Every part that matters. Kept: how much of its effect stays when its output is another input's that "
        "agrees on what it carries; 1 is all. Needed: for each fact, how much is lost when only that one is "
        "another. Worth: KL from the model's answers, in nats, with any other input's output in its place. "
        "With all others: what it is taken to carry beyond that where all parts are replaced at once.",
    )


def _also(one: Carried) -> str:
    """A few of the concepts that say the same, for there may be dozens."""
    more = len(one.also) - ALSO
    names = [concept.name for concept in one.also[:ALSO]]
    return ", ".join([*names, f"{more} more"] if more > 0 else names)


def _tests(found: Explanation) -> Table:
    rows = tuple(
        (test, one.same.mean, one.accuracy.mean, None if test in BASELINES else one.kl.mean)
        for test, one in found.survival.items()
    )
    lost = [f"{node} ({percent(back)})" for node, back in found.worst if back > 0]
    most = f" Recursively, most is won back by leaving alone: {', '.join(lost)}." if lost else ""
    return Table(
        ("test", "inputs answered alike", "right answers", "KL"),
        rows,
        f"All parts at once, on {found.inputs:,} inputs, beside what agrees with the model without them. "
        "Tables: each output is its mean over inputs that agree. Heads: MLPs are tables, heads are computed "
        f"from what stands in the stream. The model answers {percent(found.model_accuracy)} right.{most}",
    )


def _drawn(found: Explanation) -> tuple[Illustration, ...]:
    if not found.nodes:
        return ()
    places = {str(each.node.place) for each in found.nodes}
    left = len(places) - len(shown_places(found))
    others = f" {left} more places, at which parts have less effect, are in the table alone." if left else ""
    return (
        Illustration(
            explanation_drawing(found),
            "What each part carries, place by place; dashed where that is not all. "
            f"{len(found.idle)} others are idle. Rows go up in the order of the computation: the heads of a "
            f"layer (blue), then its MLP (orange).{others}",
        ),
    )
