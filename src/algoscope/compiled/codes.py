"""The value of every variable of a program on many inputs at once, as the class that it is kept in.

As fast as tables allow; `interpreter.evaluate` says the same one input at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from algoscope.compiled.language import Expression
from algoscope.compiled.lowered import Attend, Lookup, Table
from algoscope.compiled.placed import Coarse, Placed, Variable
from algoscope.compiled.program import PAD

Codes = Int[Tensor, "batch seq"]


def codes(
    placed: Placed,
    tokens: Int[Tensor, "batch seq"],
    put: Mapping[tuple[Expression, int], Tensor] | None = None,
) -> dict[Expression, Codes]:
    """For each variable, the class of its value at each position; of a number, which of its values it is.

    `put` has codes to take in place of what a variable is at a position; what is computed from it
    follows. At `<pad>` the codes mean nothing.
    """
    seen = _visible(placed, tokens)
    found: dict[Expression, Codes] = {}
    for expression, variable in placed.variables.items():
        match variable.work:
            case Lookup(terms=terms) if terms:
                found[expression] = _decoded(placed, variable, found)
            case Lookup(table=table):
                found[expression] = looked_up(
                    [found[each] for each in table.inputs], placed.coarse(table, variable)
                )
            case Attend():
                found[expression] = _attended(placed, variable, found, seen)
            case None if variable is placed.words:
                words = placed.lowered.program.vocabulary
                classes = [0 if word == PAD else variable.kept[word] for word in words]
                found[expression] = torch.tensor(classes)[tokens]
            case None:
                found[expression] = torch.arange(tokens.shape[1]).repeat(len(tokens), 1)
        for (changed, position), given in (put or {}).items():
            if changed is expression:
                found[expression][:, position] = given
    return found


def looked_up(given: Sequence[Codes], table: Coarse) -> Int[Tensor, "*batch"]:
    """What the table makes of these classes, as integers; 0 for what never happens."""
    sizes = [1 + max(classes[place] for classes in table) for place in range(len(given))]
    values = torch.zeros(sizes, dtype=torch.long)
    for classes, outcome in table.items():
        values[classes] = int(outcome)
    return values[tuple(each.clamp(max=size - 1) for each, size in zip(given, sizes, strict=True))]


def _numbers(variable: Variable) -> Float[Tensor, "value"]:
    """The values of a number, in order."""
    return torch.tensor([float(value) for value in variable.kept], dtype=torch.float64)


def _decoded(placed: Placed, variable: Variable, found: dict[Expression, Codes]) -> Codes:
    """The class of what a sum of numbers becomes."""
    assert isinstance(variable.work, Lookup)
    terms = [times * _numbers(placed.variables[each])[found[each]] for each, times in variable.work.terms]
    outcome = variable.work.table.outcome
    values = sorted(outcome)
    classes = torch.tensor([variable.kept[outcome[value]] for value in values])
    return classes[_nearest(torch.stack(terms).sum(0), [value for (value,) in values])]


def _attended(
    placed: Placed, variable: Variable, found: dict[Expression, Codes], seen: Bool[Tensor, "batch query key"]
) -> Codes:
    work = variable.work
    assert isinstance(work, Attend)
    selected = seen
    if work.fits is not None:
        selected = seen & _fit(work.fits, placed, found).bool()
    count = selected.sum(-1)
    if work.shares:
        return _nearest(1 / (count + 1), list(variable.kept))
    (read,) = work.reads.inputs
    if not variable.is_number:
        chosen = torch.where(count > 0, selected.long().argmax(-1), 0)
        return looked_up([found[read]], placed.coarse(work.reads, variable)).gather(1, chosen)
    by_class = torch.zeros(max(placed.variables[read].kept.values()) + 1, dtype=torch.float64)
    for (index,), value in placed.coarse(work.reads).items():
        by_class[index] = float(value)
    values = by_class[found[read]]
    means = (selected * values[:, None]).sum(-1) / count.clamp(min=1)
    return _nearest(torch.where(count > 0, means, values[:, :1]), list(variable.kept))


def _fit(fits: Table, placed: Placed, found: dict[Expression, Codes]) -> Int[Tensor, "batch query key"]:
    key, *query = fits.inputs
    keys = found[key][:, None]
    given = [keys, *(found[each][:, :, None] for each in query)]
    return looked_up(given, placed.coarse(fits)).expand(-1, found[key].shape[1], -1)


def _visible(placed: Placed, tokens: Int[Tensor, "batch seq"]) -> Bool[Tensor, "batch query key"]:
    """Which letters a position sees: `<bos>` none, and in a causal program nobody what comes later."""
    program, place = placed.lowered.program, torch.arange(tokens.shape[1])
    letter = (tokens < len(program.alphabet))[:, None]
    before = (place[:, None] >= place) | (not program.causal)
    return letter & before & (place[:, None] > 0)


def _nearest(values: Float[Tensor, "*batch"], ordered: Sequence[Fraction]) -> Int[Tensor, "*batch"]:
    """Which of these numbers, in ascending order, each is, but for rounding."""
    known = torch.tensor([float(value) for value in ordered], dtype=torch.float64)
    return torch.searchsorted((known[1:] + known[:-1]) / 2, values.double().contiguous())
