"""Programs that copy letters from elsewhere, or compare letters with those that stand elsewhere."""

from __future__ import annotations

from operator import eq

from algoscope.compiled.language import (
    Discrete,
    aggregate,
    apply,
    everything,
    marked,
    positions,
    select,
    tokens,
    width,
)
from algoscope.compiled.program import program

previous = select(positions, positions - 1, eq)
length = width(everything).named("length")


@program("abcde", length=4, causal=True)
def previous_token() -> Discrete:
    """Which letter stands before this one?"""
    return aggregate(previous, tokens).named("previous letter")


@program("abcde", length=4)
def next_token() -> Discrete:
    """Which letter stands behind this one?"""
    return aggregate(select(positions, positions + 1, eq), tokens).named("next letter")


@program("abc", length=6, causal=True)
def two_back() -> Discrete:
    """Which letter stands two places before this one?"""
    return aggregate(select(positions, positions - 2, eq), tokens).named("letter two back")


@program("abcd", length=5, causal=True, answered="last")
def first_token() -> Discrete:
    """Which is the first letter?"""
    return aggregate(select(positions, 1, eq), tokens).named("first letter")


@program("abc", length=range(1, 7))
def last_token() -> Discrete:
    """Which is the last letter?"""
    return aggregate(select(positions, length, eq), tokens).named("last letter")


@program("abcd", length=5)
def reverse() -> Discrete:
    """Which letter stands here when the string is written backwards?"""
    return aggregate(select(positions, 6 - positions, eq), tokens).named("mirrored letter")


@program("abc", length=range(1, 7))
def reverse_any_length() -> Discrete:
    """Which letter stands here when the string, of any length, is written backwards?"""
    mirror = (length + 1 - positions).named("mirrored position")
    return aggregate(select(positions, mirror, eq), tokens).named("mirrored letter")


@program("abc", length=6, answered="last")
def palindrome() -> Discrete:
    """Does the string read the same backwards?"""
    mirrored = aggregate(select(positions, 7 - positions, eq), tokens).named("mirrored letter")
    differs = (tokens != mirrored).named("differs from its mirror image")
    return width(marked(differs)).named("differing") == 0


@program("abcd", length=5)
def same_as_first() -> Discrete:
    """Is the letter here the same as the first one?"""
    first = aggregate(select(positions, 1, eq), tokens).named("first letter")
    return (tokens == first).named("same as the first")


@program("abc", length=6, causal=True)
def induction() -> Discrete:
    """Which letter stood behind the first one like this?"""
    times = width(select(tokens, tokens, eq)).named("times so far")
    before = aggregate(previous, tokens).named("previous letter")
    first = aggregate(previous, times == 1).named("previous letter was new")
    followed = apply(lambda letter, new: letter if new else "", before, first).named("first follows")
    return aggregate(select(followed, tokens, eq), tokens).named("letter behind")


@program("abcx", length=5, causal=True, answered="last")
def after_marker() -> Discrete:
    """Which letter stands behind the first x?"""
    marks = width(select(tokens, "x", eq)).named("x so far")
    before = aggregate(previous, marks == 1).named("one x before this letter")
    is_marker = aggregate(previous, tokens == "x").named("previous letter is x")
    return aggregate(marked((before & is_marker).named("behind the first x")), tokens).named("letter behind")
