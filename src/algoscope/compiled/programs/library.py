"""Every program that comes with algoscope."""

from __future__ import annotations

from collections.abc import Mapping

from algoscope.compiled.program import Program
from algoscope.compiled.programs import brackets, copying, counting, order, voting

PROGRAMS: Mapping[str, Program] = {
    value.name: value
    for module in (counting, copying, order, brackets, voting)
    for value in vars(module).values()
    if isinstance(value, Program)
}
