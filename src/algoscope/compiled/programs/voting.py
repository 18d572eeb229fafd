"""Programs in which heads do the same work three times over, and the majority counts.

No edge to or from one of the three is needed by itself: the other two decide. Two of the three are.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import eq

from algoscope.compiled.language import (
    Discrete,
    aggregate,
    everything,
    marked,
    mean,
    positions,
    select,
    tokens,
    vote,
    width,
)
from algoscope.compiled.program import program
from algoscope.compiled.programs.brackets import step
from algoscope.compiled.programs.copying import previous


def thrice(made: Callable[[], Discrete]) -> Discrete:
    """What is made, by three components that know nothing of each other, and a vote."""
    first = made()
    copies = (first, made(), made())
    return vote(*(each.named(f"{each} ({n})") for n, each in enumerate(copies, 1))).named(str(first))


@program("abcd", length=4, causal=True)
def previous_token_by_vote() -> Discrete:
    """Which letter stands before this one? Three heads copy it."""
    return thrice(lambda: aggregate(previous, tokens).named("previous letter"))


@program("abc", length=6, causal=True)
def two_back_by_vote() -> Discrete:
    """Which letter stands two places before this one? Three heads copy it on, and three again."""
    before = thrice(lambda: aggregate(previous, tokens).named("previous letter"))
    return thrice(lambda: aggregate(previous, before).named("letter two back"))


@program("abc", length=6, answered="last")
def palindrome_by_vote() -> Discrete:
    """Does the string read the same backwards? Three heads fetch the mirrored letter."""
    mirror = select(positions, 7 - positions, eq)
    mirrored = thrice(lambda: aggregate(mirror, tokens).named("mirrored letter"))
    differs = (tokens != mirrored).named("differs from its mirror image")
    return width(marked(differs)).named("differing") == 0


@program("abc", length=5)
def histogram_by_vote() -> Discrete:
    """How often does the letter here occur? Three heads count."""
    return thrice(lambda: width(select(tokens, tokens, eq)).named("count"))


@program("abcd", length=6, answered="last")
def contains_a_by_vote() -> Discrete:
    """Is there an a? One head finds it, one counts, one measures a share."""
    found = (aggregate(select(tokens, "a", eq), tokens) == "a").named("an a is found")
    counted = (width(select(tokens, "a", eq)) > 0).named("an a is counted")
    share = (mean(everything, tokens == "a") > 0).named("a share is a")
    return vote(found, counted, share).named("contains an a")


@program("()", length=8, causal=True, answered="last")
def never_negative_by_vote() -> Discrete:
    """Does no closing bracket come too early? Three heads measure heights."""
    below = thrice(lambda: (mean(everything, step) < 0).named("below zero"))
    return width(marked(below)).named("prefixes below zero") == 0
