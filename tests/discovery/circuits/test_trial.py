"""On a compiled program, whose inputs are all of one length, and on one whose inputs are not."""

from __future__ import annotations

import torch

from algoscope.compiled.compiler import compile
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.discovery.circuits.graph import Edge, Graph
from algoscope.discovery.circuits.scrubbing import Hypothesis, alike, scrub
from algoscope.discovery.circuits.trial import TIMES, tried


def test_where_all_inputs_are_alike_none_is_of_another_length_and_the_truth_survives():
    compiled = compile(PROGRAMS["palindrome"])
    truth = Hypothesis(frozenset(Edge(*edge) for edge in compiled.graph.edges), {})
    found = tried(compiled.model, compiled.task, truth, 30, 0)
    assert (found.inputs, found.sampled, found.other) == (30, 30 * TIMES, 0)
    assert found.survival == scrub(compiled.model, compiled.task.sample(30 * TIMES, 0)[:30], truth)


def test_only_inputs_of_the_most_common_length_are_taken(untrained):
    from algoscope.tasks.brackets import Brackets

    examples = Brackets().sample(400, 0)
    even = alike(untrained.model, examples)
    lengths = (examples.tokens != Brackets().pad).sum(1)
    assert len(even) == int(torch.bincount(lengths).max())
    assert len((even.tokens != Brackets().pad).sum(1).unique()) == 1
    edges = frozenset(edge for edge in Graph(untrained.model.config).edges[-1:])
    found = tried(untrained.model, Brackets(), Hypothesis(edges, {}), 20, 0)
    assert found.inputs <= 20
    assert found.other == 400 - len(even)
