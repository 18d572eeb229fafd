"""How finely must a variable be kept? As finely as whatever reads it can tell its values apart.

A count that is read only to ask whether it is 1 is kept as that: then what a component computes and what its
readers use are the same partition of inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping

from algoscope.compiled.language import Expression, Number, Positions, Tokens, Value
from algoscope.compiled.lowered import Attend, Lookup, Lowered, Table

Kept = dict[Expression, dict[Value, int]]
"""For each variable, the class of each value. Tokens, positions and numbers keep every value apart."""

Marks = dict[Hashable, Hashable]


def coarsest(lowered: Lowered) -> Kept:
    """The classes of each variable's values, from the answer back to the tokens."""
    kept: Kept = {}
    readers: dict[Expression, list[Table]] = defaultdict(list)

    def reads(table: Table, classes: Mapping[Value, int] | None = None) -> None:
        seen = {
            values: outcome if classes is None else classes[outcome]
            for values, outcome in table.outcome.items()
            if classes is None or outcome in classes
        }
        for each in set(table.inputs):
            readers[each].append(Table(table.inputs, seen))

    reads(lowered.answer)
    for variable in reversed(lowered.work):
        domain = lowered.reach.domain(variable)
        if isinstance(variable, Number | Tokens | Positions):
            kept[variable] = {value: index for index, value in enumerate(domain)}
        else:
            marks = _marks(variable, readers[variable], kept)
            kept[variable] = _merged({value: marks.get(value, {}) for value in domain})
        match lowered.work[variable]:
            case Lookup(table=table, terms=()):
                reads(table, kept[variable])
            case Attend(fits=fits, reads=values):
                if fits:
                    reads(fits)
                reads(values, None if isinstance(variable, Number) else kept[variable])
    return kept


def _marks(variable: Expression, tables: list[Table], kept: Kept) -> dict[Value, Marks]:
    """For each value, what becomes of it, by what it meets.

    What it meets is taken as coarsely as that is known to be kept, so that classes fit together later.
    """
    found: dict[Value, Marks] = defaultdict(dict)
    for number, table in enumerate(tables):
        for values, outcome in table.outcome.items():
            met = tuple(
                kept[each][value] if each in kept else ("apart", value)
                for each, value in zip(table.inputs, values, strict=True)
            )
            for place, each in enumerate(table.inputs):
                if each is variable:
                    others = (number, place, *met[:place], *met[place + 1 :])
                    found[values[place]][others] = outcome
    return found


def _merged(marks: Mapping[Value, Marks]) -> dict[Value, int]:
    """Values whose marks nowhere differ, put into one class; what never happens to a value is no difference."""
    classes: list[Marks] = []
    result: dict[Value, int] = {}
    for value, mine in marks.items():
        for index, theirs in enumerate(classes):
            if all(theirs.get(what, outcome) == outcome for what, outcome in mine.items()):
                break
        else:
            index = len(classes)
            classes.append({})
        classes[index] |= mine
        result[value] = index
    return result
