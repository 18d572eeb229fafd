from __future__ import annotations

from types import SimpleNamespace

import pytest

from algoscope.discovery.constant_head import Carried, Route
from algoscope.model.head import Head
from algoscope.stories.palindromes.constant import Constant, _on_routes

FOUND = Constant(
    Head(1, 0), 2.0, None,
    {
        frozenset({Route()}): Carried("the final norm", cut=0.1, kept=1.5),
        frozenset({Route(Head(2, 0), "k")}): Carried("keys of head 2.0", cut=0.5, kept=0.3),
        frozenset({Route(Head(2, 0), "k"), Route(Head(2, 0), "v")}): Carried("both", cut=1.6, kept=0.2),
        frozenset({Route(Head(2, index), letter) for index in (0, 1) for letter in "kv"}): Carried(
            "layer 2", cut=1.8, kept=0.0
        ),
    },
    {},
)  # fmt: skip
"""Head 1.0, whose zeroing costs 2 nats."""


def on_routes(reader: Head | None):
    own = SimpleNamespace(reader=reader, model=SimpleNamespace(config=SimpleNamespace(n_heads=2)))
    return {each.id.removeprefix("constant-head-"): each for each in _on_routes(own, FOUND)}


def test_what_a_route_costs_is_a_share_of_what_zeroing_does():
    found = on_routes(Head(2, 0))
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        {"single-route": 0.25, "one-route-enough": 0.15, "joint-routes": 0.9, "reading-head": 0.8}
    )
    assert found["single-route"].said == "keys of head 2.0: 0.5000 nats"
    assert found["one-route-enough"].said == "keys of head 2.0: 0.3000 nats"


@pytest.mark.parametrize("reader", [None, Head(0, 1), Head(1, 1)])
def test_a_reading_head_that_is_absent_or_not_later_reads_no_constant(reader):
    found = on_routes(reader)
    assert found["single-route"].value == pytest.approx(0.25)
    for name in ("joint-routes", "reading-head"):
        assert (found[name].verdict, found[name].note) == ("open", "no reading head comes after it")
