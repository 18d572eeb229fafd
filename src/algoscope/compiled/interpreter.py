"""What a program answers, worked out position by position: slow, exact, and as the language is defined."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from algoscope.compiled.language import (
    BOS,
    Aggregate,
    Constant,
    Expression,
    Map,
    Mean,
    Positions,
    Selector,
    Share,
    Sum,
    Tokens,
    Value,
)
from algoscope.compiled.program import Program
from algoscope.errors import UserError


def run(program: Program, text: str) -> list[Value]:
    """The program's answers for a string of its letters, from left to right.

    >>> from algoscope.compiled.programs.counting import histogram
    >>> run(histogram, "abbac")
    [2, 2, 2, 2, 1]
    """
    values = evaluate(program.answer, (BOS, *text), program.causal)
    return values[1:] if program.answered == "every" else values[-1:]


def evaluate(
    expression: Expression,
    words: Sequence[str],
    causal: bool,
    done: dict[Expression, list[Value]] | None = None,
) -> list[Value]:
    """The expression's value at every position of an input, `<bos>` first. `done` holds what is known.

    Raises UserError for an aggregate whose selected positions differ.
    """
    done = {} if done is None else done
    if expression in done:
        return done[expression]
    places = range(len(words))
    result: list[Value]

    def values(inner: Expression) -> list[Value]:
        return evaluate(inner, words, causal, done)

    def selected(selector: Selector) -> list[list[int]]:
        keys, queries = values(selector.keys), values(selector.queries)
        return [
            [key for key in places if _sees(query, key, causal) and selector.fits(keys[key], queries[query])]
            for query in places
        ]

    match expression:
        case Tokens():
            result = list(words)
        case Positions():
            result = list(places)
        case Constant(value=value):
            result = [value for _ in places]
        case Map(function=function, inputs=inputs):
            result = [function(*here) for here in zip(*map(values, inputs), strict=True)]
        case Share(selector=selector):
            result = [Fraction(1, len(chosen) + 1) for chosen in selected(selector)]
        case Sum(parts=parts):
            result = [sum(values(part)[place] * times for part, times in parts) for place in places]
        case Mean(selector=selector, value=value):
            read = [Fraction(each) for each in values(value)]
            means = [[read[key] for key in chosen or [0]] for chosen in selected(selector)]
            result = [sum(each) / len(each) for each in means]
        case Aggregate(selector=selector, value=value):
            read = values(value)
            result = [_only({read[key] for key in chosen or [0]}) for chosen in selected(selector)]
        case _:
            raise TypeError(f"{type(expression).__name__} is no kind of expression")
    done[expression] = result
    return result


def _sees(query: int, key: int, causal: bool) -> bool:
    """`<bos>`, at position 0, sees no letter and is itself never selected."""
    return query > 0 and key > 0 and (key <= query or not causal)


def _only(values: set[Value]) -> Value:
    if len(values) > 1:
        shown = " and ".join(sorted(map(repr, values)))
        raise UserError(f"aggregate finds {shown} at the positions that it selects: make it select one")
    (value,) = values
    return value
