"""Programs about brackets: totals, depths, and whether they match."""

from __future__ import annotations

from operator import eq

from algoscope.compiled.language import (
    Discrete,
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

step = apply(lambda bracket: {"(": 1, ")": -1}.get(bracket, 0), tokens)


@program("()", length=range(2, 11, 2), answered="last")
def total_zero() -> Discrete:
    """Are there as many closing brackets as opening ones?"""
    return apply(lambda height: height == 0, mean(everything, step).named("mean step")).named("total is zero")


@program("()", length=8, causal=True, answered="last")
def never_negative() -> Discrete:
    """Does no closing bracket come too early?"""
    height = mean(everything, step).named("mean step")
    return width(marked(height < 0)).named("prefixes below zero") == 0


@program("()", length=range(1, 9), causal=True, answered="last")
def balanced() -> Discrete:
    """Does every bracket have its partner?"""
    height = mean(everything, step).named("mean step")
    below = width(marked(height < 0)).named("prefixes below zero")
    total = apply(lambda value: value == 0, height).named("total is zero")
    return ((below == 0) & total).named("balanced")


@program("()", length=8, causal=True)
def depth() -> Discrete:
    """How many brackets are open here?"""
    height = mean(everything, step).named("mean step")
    return apply(lambda mean_step, length: int(mean_step * length), height, positions).named("depth")


@program("()", length=8, causal=True, answered="last")
def deepest() -> Discrete:
    """How deep is the deepest place?"""
    opened = width(select(tokens, "(", eq)).named("opened")
    closed = width(select(tokens, ")", eq)).named("closed")
    here = (opened - closed).named("depth")
    reached = [width(marked(here >= level)).named(f"places of depth {level}") > 0 for level in (1, 2, 3)]
    return apply(lambda *each: sum(each), *reached).named("depth of the deepest place, up to 3")
