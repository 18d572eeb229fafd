"""Programs about order: larger and smaller, earlier and later."""

from __future__ import annotations

from operator import eq, gt, lt

from algoscope.compiled.language import (
    Discrete,
    aggregate,
    apply,
    marked,
    positions,
    select,
    tokens,
    width,
)
from algoscope.compiled.program import program

previous = select(positions, positions - 1, eq)
LATE = 99
"""Behind every position."""


@program("0123", length=5, answered="last")
def maximum() -> Discrete:
    """Which is the largest number?"""
    larger = width(select(tokens, tokens, gt)).named("larger ones")
    return aggregate(marked(larger == 0), tokens).named("largest")


@program("0123", length=5)
def rank() -> Discrete:
    """How many numbers are smaller than the one here?"""
    return width(select(tokens, tokens, lt)).named("smaller ones")


@program("0123", length=4)
def sort() -> Discrete:
    """Which number stands here when they are sorted?"""
    place = apply(lambda number, position: (number, position), tokens, positions).named("number and position")
    before = width(select(place, place, lt)).named("numbers to stand before this one")
    return aggregate(select(before, positions - 1, eq), tokens).named("number to stand here")


@program("0123", length=5, answered="last")
def ascending() -> Discrete:
    """Is no number smaller than the one before it?"""
    before = aggregate(previous, tokens).named("previous number")
    falls = apply(lambda here, other: other.isdigit() and here < other, tokens, before).named("falls here")
    return width(marked(falls)).named("falls") == 0


@program("abc", length=6, causal=True, answered="last")
def a_before_b() -> Discrete:
    """Does an a stand anywhere before a b?"""
    seen = (width(select(tokens, "a", eq)).named("count of a") > 0).named("seen an a")
    done = ((tokens == "b") & seen).named("b after an a")
    return width(marked(done)).named("b after an a, count") > 0


@program("abc", length=6, answered="last")
def contains_ab() -> Discrete:
    """Does a b stand right behind an a?"""
    before = aggregate(previous, tokens == "a").named("previous letter is a")
    found = (before & (tokens == "b")).named("ab ends here")
    return width(marked(found)).named("times ab") > 0


@program("ab", length=range(1, 9), causal=True, answered="last")
def prefix_of_a() -> Discrete:
    """With how many a does the string begin?"""
    others = width(select(tokens, "b", eq)).named("count of b")
    return width(marked(others == 0)).named("letters before the first b")


@program("abcd", length=5, answered="last")
def first_unique() -> Discrete:
    """Which is the first letter that occurs once?"""
    count = width(select(tokens, tokens, eq)).named("count")
    place = apply(lambda times, here: here if times == 1 else LATE, count, positions)
    place = place.named("position if unique")
    earlier = width(select(place, place, lt)).named("unique letters before")
    first = apply(lambda here, before: here < LATE and before == 0, place, earlier).named("first unique")
    return aggregate(marked(first), tokens).named("first unique letter")
