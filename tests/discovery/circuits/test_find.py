from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import algoscope
from algoscope.discovery.circuits.find import METHODS, contrasts, find
from algoscope.errors import UserError
from algoscope.tasks.maximum import Maximum


@pytest.fixture(scope="module")
def model():
    return algoscope.load("maximum")


def test_pairs_are_mixed_halved_and_taken_either_way_round(model):
    task = Maximum()
    searched, fresh = contrasts(model, task, "resample", 20, 0)
    one, other = task.contrasts(40, 0)
    found = torch.cat((searched.patched.examples.tokens, fresh.patched.examples.tokens)).tolist()
    assert len(found) == len(one)
    for pair in zip(one.tokens.tolist(), other.tokens.tolist(), strict=True):
        assert sum(tokens in found for tokens in pair) >= 1
    ways = [tokens in one.tokens.tolist() for tokens in found]
    assert 0.4 < sum(ways) / len(ways) < 0.6
    assert not {tuple(row) for row in found[:20]} & {tuple(row) for row in found[20:]}


@pytest.mark.parametrize("patching", ["resample", "mean"])
def test_what_is_found_is_as_faithful_as_was_asked_and_told_on_other_inputs(model, patching):
    searched, fresh = contrasts(model, Maximum(), patching, 40, 0)
    found = find(searched, fresh, patching, "eap-ig-inputs", 0.9)
    assert abs(found.circuit.faithfulness - 1) <= 0.1 + 1e-6
    again = fresh.faithfulness(fresh.graph.mask(found.circuit.edges).to(fresh.every)[None])
    assert found.fresh.faithfulness == pytest.approx(float(again))
    assert found.fresh.faithfulness != found.circuit.faithfulness
    assert 0 <= found.stability <= 1
    assert (found.edges, found.inputs) == (len(searched.graph.edges), 40)


def test_stable_and_unique_are_said_by_their_bounds(model):
    searched, fresh = contrasts(model, Maximum(), "mean", 20, 0)
    found = find(searched, fresh, "mean", "eap", 0.9)
    assert replace(found, stability=0.8).stable
    assert not replace(found, stability=0.79).stable
    assert replace(found, overlap=0.5).unique
    assert not replace(found, overlap=0.49).unique


def test_unknown_names_are_told_what_there_is(model):
    with pytest.raises(UserError, match="choose from resample"):
        contrasts(model, Maximum(), "median", 10, 0)
    searched, fresh = contrasts(model, Maximum(), "zero", 4, 0)
    with pytest.raises(UserError, match="choose from pruning"):
        find(searched, fresh, "zero", "guessing", 0.9)


def test_a_task_without_pairs_says_what_to_do(model):
    class Alone(Maximum):
        def contrasts(self, n, seed):
            one, other = super().contrasts(n, seed)
            return one[:1], other[:1]

    with pytest.raises(UserError, match="patch with mean or zero"):
        contrasts(model, Alone(), "resample", 10, 0)


def test_every_method_names_itself(model):
    searched, _ = contrasts(model, Maximum(), "zero", 4, 0)
    names = [method(searched).method for method in METHODS.values()]
    assert names == ["pruning", "exact", "EAP", "EAP-IG (inputs)", "EAP-IG (activations)"]


def test_positions_are_told_apart_by_the_same_names_in_both_halves(model):
    for patching in ("resample", "mean"):
        searched, fresh = contrasts(model, Maximum(), patching, 10, 0, apart="answer")
        assert searched.graph.edges == fresh.graph.edges
        assert searched.graph.places[-1] == "answer"
    with pytest.raises(UserError, match="choose from no, start, answer, end"):
        contrasts(model, Maximum(), "mean", 10, 0, apart="middle")
