"""When does a concept explain a node?"""

from __future__ import annotations

from dataclasses import replace

from algoscope.explanation import tested
from algoscope.explanation.trial import Change

# Not imported by name: pytest takes a class called Test... for tests.
FOUND = tested.Tested((3,), 1.0, Change(0.01, 0.0), Change(1.0, 0.5), alone=0.0, untried=0.0)


def test_what_loses_little_is_enough():
    assert FOUND.enough
    assert FOUND.carried == 0.99


def test_what_loses_much_is_not():
    assert not replace(FOUND, change=Change(0.2, 0.0)).passes
    assert not replace(FOUND, change=Change(0.01, 0.05)).passes


def test_of_a_node_that_changes_few_answers_fewer_may_change():
    assert not replace(FOUND, change=Change(0.01, 0.009), anything=Change(1.0, 0.04)).passes


def test_what_was_never_tried_does_not_pass():
    assert not replace(FOUND, alone=0.5, untried=0.5).passes


def test_what_could_not_be_otherwise_passes_but_is_not_shown():
    forced = replace(FOUND, alone=0.5)
    assert forced.passes
    assert not forced.enough


def test_of_more_facts_together_less_may_be_lost():
    lost = Change(0.06, 0.0)
    assert replace(FOUND, change=lost).enough
    assert replace(FOUND, change=lost, factors=(3, 4)).passes
    assert not replace(FOUND, change=lost, factors=(3, 4)).enough
