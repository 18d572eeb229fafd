"""How finely does it matter what a variable is? As finely as whatever reads it can tell its values apart.

A count that is read only to ask whether it is 1 is told apart, and so computed, as that alone. Then what a
component computes and what is done with it are the same partition of inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping

from algoscope.compiled.language import Expression, Number, Value
from algoscope.compiled.lowered import Attend, Lookup, Lowered, Table

Classes = dict[Value, int]
"""A class for each value; values of one class are alike to all that read them."""

Marks = dict[Hashable, Hashable]


def coarsest(lowered: Lowered) -> dict[Expression, Classes]:
    """The classes of each variable's values, from the answer back to the tokens."""
    told: dict[Expression, Classes] = {}
    readers: dict[Expression, list[Table]] = defaultdict(list)

    def reads(table: Table, classes: Classes | None = None) -> None:
        """Notes that a table is looked up; of what comes out only the class counts, if classes are given."""
        outcome = table.outcome
        if classes is not None:
            outcome = {given: classes[found] for given, found in outcome.items() if found in classes}
        for each in set(table.inputs):
            readers[each].append(Table(table.inputs, outcome))

    reads(lowered.answer)
    for variable in reversed(lowered.work):
        marks = _marks(variable, readers[variable], told)
        domain = lowered.reach.domain(variable)
        told[variable] = _merged({value: marks.get(value, {}) for value in domain})
        match lowered.work[variable]:
            case Lookup(table=table, terms=terms) if len(terms) > 1:
                # Whether two values of a term are alike hangs on the other terms: taken as never.
                for term, _ in terms:
                    apart = {(value,): value for value in lowered.reach.domain(term)}
                    reads(Table((term,), apart))
            case Lookup(table=table):
                reads(table, told[variable])
            case Attend(fits=fits, reads=values):
                if fits:
                    reads(fits)
                reads(values, None if isinstance(variable, Number) else told[variable])
    return told


def _marks(
    variable: Expression, tables: list[Table], told: Mapping[Expression, Classes]
) -> dict[Value, Marks]:
    """For each value, what becomes of it, by what it meets.

    What it meets is taken as coarsely as that is told apart, if known, so that classes fit together later.
    """
    found: dict[Value, Marks] = defaultdict(dict)
    for number, table in enumerate(tables):
        for values, outcome in table.outcome.items():
            met = tuple(
                told[each][value] if each in told else ("apart", value)
                for each, value in zip(table.inputs, values, strict=True)
            )
            for place, each in enumerate(table.inputs):
                if each is variable:
                    others = (number, place, *met[:place], *met[place + 1 :])
                    found[values[place]][others] = outcome
    return found


def _merged(marks: Mapping[Value, Marks]) -> Classes:
    """One class for values that come to the same wherever both can be; one for those that are never read."""
    classes: list[Marks] = []
    result: Classes = {}
    for value, mine in marks.items():
        alike = (index for index, theirs in enumerate(classes) if _alike(mine, theirs))
        result[value] = index = next(alike, len(classes))
        if index == len(classes):
            classes.append({})
        classes[index] |= mine
    return result


def _alike(mine: Marks, theirs: Marks) -> bool:
    """Whether they meet something in common (or nothing, both), and come to the same with all of it."""
    common = mine.keys() & theirs.keys()
    return all(mine[each] == theirs[each] for each in common) and bool(common or not (mine or theirs))
