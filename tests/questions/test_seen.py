from __future__ import annotations

from types import SimpleNamespace

from algoscope.model.component import Component
from algoscope.model.head import Head


def test_needed_heads_are_those_of_the_parts_that_are_used_each_once_and_in_order(seen_echo):
    used = tuple(map(Component.parse, ("MLP 0", "1.0", "0.1", "1.0")))
    seen_echo.__dict__["needs"] = SimpleNamespace(used=used)
    assert seen_echo.needed_heads == (Head(0, 1), Head(1, 0))
