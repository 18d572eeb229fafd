"""The whole way, on models whose algorithm is known and on models that have none."""

from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError
from algoscope.explanation.explain import explain
from algoscope.explanation.measured import survival
from algoscope.model.component import Component


@pytest.fixture(scope="module")
def found(histogram):
    return explain(histogram.model, histogram.task, histogram.task.sample(900, seed=0))


def test_a_program_that_counts_is_explained(found, histogram) -> None:
    assert found.survival["flat"].same.mean > 0.95
    assert found.survival["recursive"].same.mean > 0.95
    assert found.explained == min(found.survival[test].same.mean for test in ("flat", "recursive"))
    assert {each.node.component for each in found.nodes} >= {
        node.component for node in histogram.graph.nodes
    } & {Component.mlp(0)}
    assert all(each.explained for each in found.nodes)


def test_what_a_node_carries_is_needed_and_enough(found) -> None:
    for each in found.nodes:
        assert each.carried.low <= each.carried.mean <= each.carried.high
        assert each.carried.mean > 0.9
        assert max(need for need in each.needed if need is not None) > 0.5


def test_the_same_arguments_give_the_same_explanation(found, histogram) -> None:
    again = explain(histogram.model, histogram.task, histogram.task.sample(900, seed=0))
    assert [each.concept for each in again.nodes] == [each.concept for each in found.nodes]
    assert again.survival == found.survival


def test_baselines_stand_beside(found) -> None:
    assert found.survival["true label"].same.mean == 1
    assert found.survival["most frequent"].same.mean < 0.5


def test_too_few_examples_are_refused(histogram) -> None:
    with pytest.raises(UserError, match="at least 60 examples, not 20"):
        explain(histogram.model, histogram.task, histogram.task.sample(20, seed=0))


def test_survival_counts_inputs_and_answers(histogram_pool) -> None:
    examples, own = histogram_pool.examples[:10], histogram_pool.logits
    own = own[: len(examples.labels)]
    other = own.clone()
    other[0] = -other[0]
    kept = survival(other, own, examples)
    assert kept.same.mean == pytest.approx(0.9)
    assert kept.accuracy.mean == pytest.approx(1 - 1 / len(own))
    assert kept.kl.mean > 0
    assert survival(own, own, examples).kl.mean == pytest.approx(0, abs=1e-6)


def test_no_gradient_is_left_behind(histogram) -> None:
    explain(histogram.model, histogram.task, histogram.task.sample(90, seed=0))
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in histogram.model.parameters())
