"""On a compiled program, whose edges and variables are known: the truth survives, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from algoscope.compiled.compiler import Compiled, compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.discovery.circuits import scrubbing
from algoscope.discovery.circuits.graph import Edge, Graph
from algoscope.discovery.circuits.scrubbing import Hypothesis, scrub
from algoscope.errors import UserError
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.tasks.task import Examples


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile(PROGRAMS["palindrome"], Noise())


@pytest.fixture(scope="module")
def examples(compiled) -> Examples:
    """With a concept for each component: all of its variables that something reads, at every position."""
    drawn = compiled.task.sample(600, 0)
    values = compiled.values(drawn.tokens)
    concepts: dict[str, torch.Tensor] = {}
    for wire in compiled.graph.wires:
        at = torch.full_like(drawn.tokens, -1)
        at[:, list(wire.positions)] = values[wire.variable][:, list(wire.positions)]
        name = str(wire.sender)
        concepts[name] = torch.cat((concepts[name], at), 1) if name in concepts else at
    return replace(drawn, concepts=concepts | {"nothing": torch.zeros(len(drawn), dtype=torch.long)})


@pytest.fixture(scope="module")
def truth(compiled) -> Hypothesis:
    # Position embeddings included: they are the same in every input, and do no harm.
    edges = frozenset(Edge(wire.sender, wire.receiver, wire.input) for wire in compiled.graph.wires)
    return Hypothesis(edges, {edge.sender: str(edge.sender) for edge in edges})


def test_of_the_truth_everything_survives(compiled, examples, truth):
    found = scrub(compiled.model, examples, truth)
    assert found.same.mean == found.accuracy.mean == 1
    assert found.kl.mean < 1e-3
    # Something was resampled: the verdict alone leaves many inputs to choose from.
    assert found.alone[truth.senders[-1]] < 0.05


def test_a_concept_that_is_too_poor_is_named_as_the_worst_step(compiled, examples, truth):
    middle = truth.senders[-2]
    poor = Hypothesis(truth.edges, dict(truth.concepts) | {middle: "nothing"})
    found = scrub(compiled.model, examples, poor)
    assert found.same.mean < 0.9
    assert found.worst == middle
    assert found.gained[middle] == pytest.approx(found.kl.mean, abs=0.05 * found.kl.mean)


def test_where_no_step_loses_anything_none_is_the_worst(compiled, examples, truth):
    found = scrub(compiled.model, examples, truth)
    assert replace(found, gained=dict.fromkeys(truth.senders, -0.1)).worst is None
    assert replace(found, gained={TOKEN: -0.1, truth.senders[-1]: 0.1}).worst == truth.senders[-1]


def test_a_missing_edge_is_noticed(compiled, examples, truth):
    (last,) = (edge for edge in truth.edges if edge.receiver == ANSWER)
    found = scrub(compiled.model, examples, Hypothesis(truth.edges - {last}, truth.concepts))
    assert found.same.mean < 0.9
    assert found.same.low < found.same.mean < found.same.high


def test_the_same_seed_draws_the_same_inputs(compiled, examples, truth):
    poor = Hypothesis(truth.edges, dict.fromkeys(truth.senders, "nothing"))
    assert scrub(compiled.model, examples, poor, 1) == scrub(compiled.model, examples, poor, 1)
    assert scrub(compiled.model, examples, poor, 1).kl != scrub(compiled.model, examples, poor, 2).kl


def test_a_sender_without_a_concept_depends_on_everything(compiled, examples):
    edges = frozenset(Graph(compiled.model.config).edges)
    found = scrub(compiled.model, examples[:40], Hypothesis(edges, {}))
    assert found.kl.mean == pytest.approx(0, abs=1e-6)


def test_what_can_not_be_scrubbed_is_refused_in_one_line(compiled, examples, truth):
    with pytest.raises(UserError, match="the task's concepts are"):
        scrub(compiled.model, examples, Hypothesis(truth.edges, {TOKEN: "colour"}))
    wrong = frozenset({Edge(Component.parse("9.9"), ANSWER)})
    with pytest.raises(UserError, match="no edge"):
        scrub(compiled.model, examples, Hypothesis(wrong, {}))
    answered = examples.answered.clone()
    answered[0] = answered[0].roll(-1)
    with pytest.raises(UserError, match="one length"):
        scrub(compiled.model, replace(examples, answered=answered), truth)


def test_more_paths_than_can_be_resampled_are_refused(compiled, examples, truth, monkeypatch):
    monkeypatch.setattr(scrubbing, "MOST_STEPS", 5)
    with pytest.raises(UserError, match="give fewer edges, so that there are at most 5"):
        scrub(compiled.model, examples, truth)
    (last,) = (edge for edge in truth.edges if edge.receiver == ANSWER)
    # One sender on one path, with and without being spared.
    monkeypatch.setattr(scrubbing, "MOST_STEPS", 2)
    scrub(compiled.model, examples, Hypothesis(frozenset({last}), {}))


@pytest.mark.parametrize("name", ["balanced", "total-zero"])
def test_positions_that_can_not_matter_are_not_run_and_change_nothing(name, monkeypatch):
    compiled = compile(PROGRAMS[name])
    drawn = compiled.task.sample(300, 0)
    some = drawn[drawn.answered[:, 4]]
    edges = frozenset(Edge(wire.sender, wire.receiver, wire.input) for wire in compiled.graph.wires)
    poor = Hypothesis(frozenset(edge for edge in edges if (edge.sender, edge.input) != (TOKEN, "v")), {})
    seen = []
    compiled.model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    short = scrub(compiled.model, some, poor)
    assert seen == [5]
    monkeypatch.setattr(scrubbing, "without_rest", lambda config, examples: examples)
    whole = scrub(compiled.model, some, poor)
    assert seen == [5, some.tokens.shape[1]]
    assert whole.kl.mean > 0.1
    assert short.kl.mean == pytest.approx(whole.kl.mean, abs=1e-5)
    assert short.alone == whole.alone
    for sender, gained in whole.gained.items():
        assert short.gained[sender] == pytest.approx(gained, abs=1e-5)
