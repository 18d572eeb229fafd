"""Programs that count: how many, how often, more of which."""

from __future__ import annotations

from fractions import Fraction
from operator import eq

from algoscope.compiled.language import (
    Discrete,
    aggregate,
    apply,
    everything,
    marked,
    mean,
    positions,
    select,
    tokens,
    width,
)
from algoscope.compiled.program import program

same = select(tokens, tokens, eq)


@program("abc", length=5)
def histogram() -> Discrete:
    """How often does the letter here occur?"""
    return width(same).named("count")


@program("abcd", length=5)
def is_repeated() -> Discrete:
    """Does the letter here occur again?"""
    return width(same).named("count") > 1


@program("abcd", length=6, answered="last")
def count_a() -> Discrete:
    """How many a are there?"""
    return width(select(tokens, "a", eq)).named("count of a")


@program("abc", length=7, answered="last")
def count_a_modulo_3() -> Discrete:
    """How many a are there, modulo 3?"""
    return width(select(tokens, "a", eq)).named("count of a") % 3


@program("01", length=8, causal=True)
def parity_so_far() -> Discrete:
    """Is the number of ones up to here odd?"""
    return width(select(tokens, "1", eq)).named("ones") % 2 == 1


@program("abc", length=6, answered="last")
def parity_at_even_places() -> Discrete:
    """Is the number of a at even positions odd?"""
    there = ((tokens == "a") & (positions % 2 == 0)).named("an a at an even position")
    return width(marked(there)).named("count") % 2 == 1


@program("abc", length=5, answered="last")
def most_frequent() -> Discrete:
    """Which letter is most frequent? Of several, the first in the alphabet."""
    counts = [width(select(tokens, letter, eq)).named(f"count of {letter}") for letter in "abc"]

    def winner(*found: int) -> str:
        return "abc"[found.index(max(found))]

    return apply(winner, *counts).named("winner")


@program("abcd", length=5, causal=True, answered="last")
def distinct() -> Discrete:
    """How many different letters are there?"""
    new = (width(same).named("times so far") == 1).named("new letter")
    return width(marked(new)).named("new letters")


@program("abc", length=6, answered="last")
def all_the_same() -> Discrete:
    """Are all letters the same?"""
    first = aggregate(select(positions, 1, eq), tokens).named("first letter")
    differs = (tokens != first).named("differs from the first")
    return width(marked(differs)).named("differing") == 0


@program("abc", length=6, answered="last")
def majority() -> Discrete:
    """Are there more a than b?"""
    share_of_a = mean(everything, tokens == "a").named("share of a")
    share_of_b = mean(everything, tokens == "b").named("share of b")
    return share_of_a - share_of_b > 0


@program("abc", length=8, causal=True)
def ahead_so_far() -> Discrete:
    """Which of a and b is more frequent up to here, or neither?"""
    vote = apply(lambda letter: {"a": 1, "b": -1}.get(letter, 0), tokens)

    def leader(lead: Fraction) -> str:
        return "a" if lead > 0 else "b" if lead < 0 else "neither"

    return apply(leader, mean(everything, vote).named("lead of a")).named("who leads")


@program("abc", length=6, causal=True)
def running_difference() -> Discrete:
    """How many a are there up to here, less the number of b?"""
    count_a = width(select(tokens, "a", eq)).named("count of a")
    count_b = width(select(tokens, "b", eq)).named("count of b")
    return (count_a - count_b).named("difference")


@program("ab", length=range(1, 11), answered="last")
def at_least_half() -> Discrete:
    """Is at least every second letter an a?"""
    return ~(mean(everything, tokens == "b").named("share of b") > Fraction(1, 2))
