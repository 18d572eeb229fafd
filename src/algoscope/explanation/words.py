"""An explanation in a few sentences, each with the nodes that it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from algoscope.explanation.explanation import Carried, Explanation
from algoscope.explanation.places import Node
from algoscope.model.component import Component

MOST = 8
"""Sentences."""
CLAUSES = 2
"""The most concepts that one sentence tells."""


@dataclass(frozen=True)
class Sentence:
    """What is said, and on which nodes it rests."""

    text: str
    """As it is: names out of a vocabulary are in it, and are for whoever shows it to escape."""
    nodes: tuple[int, ...] = ()
    """Numbers of nodes, of `Explanation.nodes`, from 0."""


Numbered = tuple[int, Carried]


def words(explanation: Explanation) -> tuple[Sentence, ...]:
    """Three to eight sentences: what is carried where, what is not understood, what is idle; last, how much
    of the model that explains. Of many nodes those of most effect are told, and the others counted."""
    numbered = list(enumerate(explanation.nodes))
    said = [each for each in numbered if each[1].explained]
    rest = [each for each in numbered if not each[1].explained]
    end = (*_in_part(rest), *_not_at_all(rest), _idle(explanation), *_tests(explanation))
    return (*_carried(said, MOST - len(end)), *end)


def _carried(said: Sequence[Numbered], room: int) -> list[Sentence]:
    """What nodes carry, in the order of the computation; those that carry the same are named together."""
    groups: dict[str, list[Numbered]] = {}
    for each in said:
        groups.setdefault(told(each[1]), []).append(each)
    ranked = sorted(groups.values(), key=_effect, reverse=True)
    told_of = ranked if len(ranked) <= CLAUSES * room else ranked[: CLAUSES * (room - 1)]
    clauses = [_alike(group) for group in groups.values() if group in told_of]
    found = _sentences(clauses, room if told_of == ranked else room - 1)
    return found if told_of == ranked else [*found, _others(ranked[len(told_of) :])]


def _effect(group: Sequence[Numbered]) -> float:
    return max(one.importance.kl for _, one in group)


def _alike(group: Sequence[Numbered]) -> Sentence:
    """The clause about nodes that carry the same."""
    nodes = listed(one.node for _, one in group)
    text = f"{nodes} {'carry' if len(group) > 1 else 'carries'} {told(group[0][1])}"
    return Sentence(text, tuple(number for number, _ in group))


def _sentences(clauses: Sequence[Sentence], room: int) -> list[Sentence]:
    """One clause each, or more where there is no room for that."""
    count = min(room, len(clauses))
    cuts = [len(clauses) * index // count for index in range(count + 1)] if count else []
    return [_together(clauses[start:stop]) for start, stop in pairwise(cuts)]


def _together(clauses: Sequence[Sentence]) -> Sentence:
    text = "; ".join(clause.text for clause in clauses)
    return Sentence(_sentence(text), tuple(number for clause in clauses for number in clause.nodes))


def _others(groups: Sequence[Sequence[Numbered]]) -> Sentence:
    """How many nodes there is no room for."""
    nodes = sorted(number for group in groups for number, _ in group)
    what = "One more part of less effect carries" if len(nodes) == 1 else f"{len(nodes)} more parts carry"
    less = "" if len(nodes) == 1 else ", each with less effect"
    other = "another fact" if len(groups) == 1 else f"{len(groups)} other facts"
    return Sentence(f"{what} {other}{less}.", tuple(nodes))


def _in_part(rest: Sequence[Numbered]) -> list[Sentence]:
    """Of the nodes that are not explained, those of which a concept carries something."""
    some = [each for each in rest if _keeps_some(each[1])]
    if not some:
        return []
    ranked = sorted(some, key=lambda each: each[1].importance.kl, reverse=True)
    clauses = [
        f"{one.node} carries at least {one.concept} (keeps {percent(one.carried.mean)})"
        for number, one in some
        if (number, one) in ranked[:CLAUSES]
    ]
    more = len(some) - len(clauses)
    others = f", nor is all of {more} more with less effect" if more else ""
    text = f"{'; '.join(clauses)}; the rest is not understood{others}"
    return [Sentence(_sentence(text), tuple(number for number, _ in some))]


def _not_at_all(rest: Sequence[Numbered]) -> list[Sentence]:
    none = [each for each in rest if not _keeps_some(each[1])]
    if not none:
        return []
    what = f"what {listed(one.node for _, one in none)} {'carry' if len(none) > 1 else 'carries'}"
    text = f"{what} is not understood: nothing that was tried keeps any of it"
    return [Sentence(_sentence(text), tuple(number for number, _ in none))]


def _keeps_some(one: Carried) -> bool:
    return bool(one.factors) and one.carried.mean > 0


def _idle(explanation: Explanation) -> Sentence:
    count = len(explanation.idle)
    if not explanation.nodes:
        return Sentence("No head and no MLP matters: each may put out what it puts out on any other input.")
    if not count:
        return Sentence("No part is idle.")
    if count == 1:
        return Sentence("The one other part is idle: it may put out what it puts out on any other input.")
    return Sentence(
        f"The {count} other parts are idle: together, they may put out what they do on any other input."
    )


def _tests(explanation: Explanation) -> tuple[Sentence, Sentence]:
    """How all inputs fare if every part is swapped, and how much of the model is explained."""
    flat, recursive = (explanation.survival[test].same for test in ("flat", "recursive"))
    label = explanation.survival["true label"].same
    count = sum(bool(finer(each)) for each in explanation.nodes)
    taken = f" (for {count} of the parts, on more than is told here)" if count else ""
    return (
        Sentence(
            "Replacing every part's output by its output on other inputs that agree on what it carries"
            f"{taken} leaves all answers of {percent(flat.mean)} of inputs as they were (recursively, with "
            f"what each part reads replaced in the same way first: {percent(recursive.mean)})."
        ),
        Sentence(
            f"So {percent(explanation.explained)} of the model is explained, the weaker of the two. The true "
            f"answers alone agree with the model on {percent(label.mean)} of inputs."
        ),
    )


def told(one: Carried) -> str:
    """What a node carries, to stand behind its name where there is no room for a sentence."""
    if one.explained:
        return one.concept if one.factors else "nothing that matters alone"
    return f"at least {one.concept}" if _keeps_some(one) else "not understood"


def finer(one: Carried) -> tuple[str, ...]:
    """What else a node is taken to carry where all nodes are tested at once."""
    known = {factor.name for factor in one.factors}
    return tuple(factor.name for factor in one.refined if factor.name not in known)


def listed(nodes: Iterable[Node]) -> str:
    """Nodes in words, those at one place together: "heads 0.0 and 0.1 after <sep> and MLP 1 at <sep>"."""
    at: dict[str, list[Component]] = {}
    for node in nodes:
        at.setdefault(str(node.place), []).append(node.component)
    places: dict[tuple[Component, ...], list[str]] = {}
    for place, components in at.items():
        places.setdefault(tuple(components), []).append(place)
    return _and([f"{_parts(each)} {_and(where)}" for each, where in places.items()])


def _parts(components: Sequence[Component]) -> str:
    heads = [str(each) for each in components if each.head]
    found = [f"head{'s' if len(heads) > 1 else ''} {_and(heads)}"] if heads else []
    return _and([*found, *(each.words for each in components if not each.head)])


def _and(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def percent(share: float) -> str:
    """A share, rounded down: 100 % is all.

    >>> percent(1.0), percent(0.9999), percent(0.57)
    ('100%', '99.9%', '57%')
    """
    return f"{math.floor(1000 * share + 1e-9) / 10:g}%"
