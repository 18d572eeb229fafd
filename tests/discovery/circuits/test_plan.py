from __future__ import annotations

import pytest
import torch

from algoscope.discovery.circuits.contrast import Contrast, resampled
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.plan import different, heard
from algoscope.model.component import ANSWER, TOKEN, Component

from .conftest import random_examples, random_model


@pytest.fixture(scope="module")
def contrast() -> Contrast:
    return resampled(random_model(0), random_examples(0), random_examples(1))


def test_different_names_one_variant_of_each_kind():
    keys = torch.tensor([[1, 2], [3, 4], [1, 2], [1, 5]])
    chosen, which = different(keys)
    assert len(chosen) == 3
    assert torch.equal(keys[chosen][which], keys)


def test_nobody_hears_a_head_whose_listener_is_not_heard(contrast):
    graph, head, mlp = contrast.graph, Component.parse("0.0"), Component.parse("MLP 0")
    edges = [Edge(TOKEN, head, "v"), Edge(head, mlp)]
    assert heard(graph, graph.mask(edges).tolist()) == {ANSWER}
    whole = heard(graph, graph.mask([*edges, Edge(mlp, ANSWER)]).tolist())
    assert whole == {ANSWER, mlp, head, TOKEN}


def test_a_reader_plans_each_different_stream_once(contrast):
    patched, every = contrast.patched, contrast.every
    masks = every.repeat(3, 1)
    masks[1, 0] = masks[2, 0] = 0
    reading = patched.plan(masks).readings[contrast.graph.edges[0].receiver, contrast.graph.edges[0].input]
    its = reading.which[contrast.graph.edges[0].receiver, contrast.graph.edges[0].input]
    assert its[1] == its[2] != its[0]
    assert len(reading.terms) == 2
