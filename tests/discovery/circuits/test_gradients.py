"""Attributions are derivatives: each against a finite difference of the slow run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algoscope.discovery.circuits.contrast import Contrast, resampled
from algoscope.discovery.circuits.exact import exact
from algoscope.discovery.circuits.gradients import eap, eap_ig_activations, eap_ig_inputs
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.places import absolute
from algoscope.discovery.circuits.replaced import written
from algoscope.model.component import POSITION, TOKEN

from .conftest import random_examples, random_model, slow_logits

STEP = 1e-5


@pytest.fixture(scope="module")
def contrast() -> Contrast:
    model = random_model(5)
    return resampled(model, random_examples(0, padded=False), random_examples(1, padded=False))


def slope(contrast: Contrast, edge: Edge, at: dict[Edge, float]) -> Tensor:
    """How fast each example's measure grows as this edge's receiver gets more of what its sender writes."""
    patched, graph = contrast.patched, contrast.graph
    instead = dict(zip(graph.senders, patched.replaced.outputs, strict=True))
    outputs = dict(zip(graph.senders, written(patched.model, patched.examples).outputs, strict=True))
    moved = outputs[edge.sender] - instead[edge.sender]
    kept = {each: torch.tensor(at.get(each, 1.0)) for each in graph.edges}
    up, down = (
        contrast.measure(
            slow_logits(
                patched.model, patched.examples, instead, kept,
                {(edge.receiver, edge.input): sign * STEP * moved},
            )[None]
        )[0]
        for sign in (1, -1)
    )  # fmt: skip
    return (up - down) / (2 * STEP)


def way(edges: list[Edge], senders: tuple, steps: int) -> list[dict[Edge, float]]:
    return [{edge: (step + 0.5) / steps for edge in edges if edge.sender in senders} for step in range(steps)]


def checked(contrast: Contrast) -> list[Edge]:
    """An edge of every seventh, and so of every kind."""
    return list(contrast.graph.edges[::7])


def test_eap_is_the_derivative_at_the_whole_model(contrast):
    found = eap(contrast).by_example
    for edge in checked(contrast):
        expected = slope(contrast, edge, {}).abs()
        torch.testing.assert_close(found[contrast.graph.index[edge]], expected, rtol=1e-4, atol=1e-7)


def test_eap_ig_inputs_averages_as_the_embeddings_come_in(contrast):
    found = eap_ig_inputs(contrast, steps=3).by_example
    points = way(list(contrast.graph.edges), (TOKEN, POSITION), 3)
    for edge in checked(contrast):
        expected = torch.stack([slope(contrast, edge, at) for at in points]).mean(0).abs()
        torch.testing.assert_close(found[contrast.graph.index[edge]], expected, rtol=1e-4, atol=1e-7)


def test_eap_ig_activations_averages_as_the_sender_comes_in(contrast):
    found = eap_ig_activations(contrast, steps=3).by_example
    for edge in checked(contrast):
        points = way(list(contrast.graph.edges), (edge.sender,), 3)
        expected = torch.stack([slope(contrast, edge, at) for at in points]).mean(0).abs()
        torch.testing.assert_close(found[contrast.graph.index[edge]], expected, rtol=1e-4, atol=1e-7)


def test_the_places_of_an_edge_share_what_it_has_in_all(contrast):
    examples, partners = random_examples(0, padded=False), random_examples(1, padded=False)
    split = resampled(contrast.patched.model, examples, partners, places=absolute(examples))
    for method in (eap, eap_ig_inputs):
        every, edges = effects(method, contrast), len(contrast.graph.edges)
        assert split.graph.places == ("0", "1", "2", "3", "4", "5")
        torch.testing.assert_close(effects(method, split).view(edges, 6, -1).sum(1), every)


def effects(method, contrast: Contrast) -> Tensor:
    """With their signs, which scores leave out."""
    kept = {}
    with pytest.MonkeyPatch.context() as patch:
        name = "algoscope.discovery.circuits.gradients.from_examples"
        patch.setattr(name, lambda graph, method, found: kept.update(found=found))
        method(contrast)
    return kept["found"]


def test_without_norms_what_goes_straight_to_the_answer_is_the_same_by_every_method():
    model = random_model(2, normalization_type="none")
    contrast = resampled(model, random_examples(0), random_examples(1, padded=True))
    last = contrast.graph.inputs[contrast.graph.edges[-1].receiver, "in"]
    first = exact(contrast).by_example[last]
    for method in (eap, eap_ig_activations):
        torch.testing.assert_close(method(contrast).by_example[last], first)
