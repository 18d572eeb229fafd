from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.analysis.accuracy import answer_logits
from algoscope.discovery.circuits.graph import Graph
from algoscope.discovery.circuits.patched import Patched, Run
from algoscope.discovery.circuits.places import Places
from algoscope.discovery.circuits.replaced import Written, averaged, nothing, written
from algoscope.tasks.task import Examples

from .conftest import random_examples, random_model, slow_logits

ARCHITECTURES = st.fixed_dictionaries(
    {
        "n_layers": st.integers(1, 3),
        "n_heads": st.integers(1, 3),
        "attention_dir": st.sampled_from(["causal", "bidirectional"]),
        "normalization_type": st.sampled_from(["LN", "LNPre", "RMS", "RMSPre", "none"]),
        "mlp": st.booleans(),
    }
)


def drawn_masks(patched: Patched, count: int, seed: int) -> torch.Tensor:
    """Masks of which some agree in whole layers, as they do in a search, and one holds shares in between."""
    generator = torch.Generator().manual_seed(seed)
    edges = len(patched.graph.edges)
    base = torch.rand(edges, generator=generator) < 0.7
    flips = torch.rand(count, edges, generator=generator) < 0.05
    masks = (base ^ flips).double()
    masks[0] = torch.rand(edges, generator=generator, dtype=torch.double)
    return masks


@settings(max_examples=25, deadline=None)
@given(ARCHITECTURES, st.integers(0, 1000), st.booleans(), st.sampled_from(["resample", "mean", "zero"]))
def test_many_masks_at_once_are_as_each_by_a_slow_run(architecture, seed, several, patching):
    mlp = {} if architecture.pop("mlp") else {"d_mlp": None, "act_fn": None}
    model, examples = random_model(seed, **architecture, **mlp), random_examples(seed, several=several)
    instead = {
        "resample": lambda: written(model, random_examples(seed + 1, several=several)),
        "mean": lambda: averaged(model, examples),
        "zero": lambda: nothing(model, examples),
    }[patching]()
    patched = Patched(model, examples, instead)
    masks = drawn_masks(patched, 6, seed)
    found = patched.logits(masks)
    outputs = dict(zip(patched.graph.senders, instead.outputs, strict=True))
    for mask, logits in zip(masks, found, strict=True):
        kept = dict(zip(patched.graph.edges, mask, strict=True))
        torch.testing.assert_close(logits, slow_logits(model, examples, outputs, kept))


def test_every_edge_kept_is_the_model_and_none_is_the_partner(model):
    examples, partners = random_examples(0), random_examples(1)
    patched = Patched(model, examples, written(model, partners))
    ends = torch.stack((torch.ones(len(patched.graph.edges)), torch.zeros(len(patched.graph.edges)))).double()
    whole, empty = patched.logits(ends)
    torch.testing.assert_close(whole, answer_logits(model, examples))
    # Answered where the example is, whatever the partner's padding.
    aligned = Examples(partners.tokens, examples.labels, {}, examples.answered)
    torch.testing.assert_close(empty, answer_logits(model, aligned))


def test_an_edge_may_be_cut_at_some_places_alone(model):
    examples = random_examples(3, padded=False, several=True)
    instead = written(model, random_examples(4, padded=False, several=True))
    places = Places(("near", "mid", "far"), torch.tensor([0, 1, 1, 0, 2, 2]).expand(5, -1))
    patched = Patched(model, examples, instead, places)
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(4, len(patched.graph.edges), generator=generator) < 0.6).double()
    outputs = dict(zip(patched.graph.senders, instead.outputs, strict=True))
    for mask, logits in zip(masks, patched.logits(masks), strict=True):
        shares = dict(zip(patched.graph.edges, mask, strict=True))
        kept = {
            edge: torch.stack([shares[replace(edge, place=name)] for name in places.names])[places.where]
            for edge in Graph(model.config).edges
        }
        torch.testing.assert_close(logits, slow_logits(model, examples, outputs, kept))


def test_with_norms_frozen_what_reaches_the_answer_directly_adds_up(model):
    examples = random_examples(0)
    _, scales = model.run_with_cache(examples.tokens, lambda name: name.endswith("hook_scale"))
    patched = Patched(model, examples, nothing(model, examples), scales=scales)
    to_answer = patched.graph.inputs[patched.graph.edges[-1].receiver, "in"]
    ones = torch.ones(len(patched.graph.edges), dtype=torch.double)
    masks = ones.repeat(3, 1)
    first, second = to_answer.start, to_answer.start + 3
    masks[0, first] = masks[1, second] = masks[2, first] = masks[2, second] = 0
    alone, other, both = patched.logits(masks)
    whole = patched.logits(ones[None])[0]
    torch.testing.assert_close(whole - both, (whole - alone) + (whole - other))
    assert not torch.allclose(whole, both)


def test_a_component_that_no_kept_edge_reaches_is_not_run(model, monkeypatch):
    examples = random_examples(0)
    patched = Patched(model, examples, nothing(model, examples))
    direct = torch.tensor([[float(str(edge) == "token embedding to answer") for edge in patched.graph.edges]])
    monkeypatch.setattr(Run, "_head", None)
    assert patched.logits(direct.double()).shape == (1, 5, 3)


@pytest.mark.parametrize("direction", ["causal", "bidirectional"])
def test_inputs_of_other_lengths_are_answered_in_their_order(direction, monkeypatch):
    model, examples = random_model(1, attention_dir=direction), random_examples(0, several=True)
    examples.tokens[3, 2:] = examples.tokens[4, 5:] = 6
    patched = Patched(model, examples, written(model, random_examples(1, several=True)))
    masks = drawn_masks(patched, 5, 0)
    monkeypatch.setattr("algoscope.discovery.circuits.patched.FEW", 8 * 6)
    ((_, found),) = patched.in_parts(masks)
    assert len(patched.few) > 2
    torch.testing.assert_close(found, patched.logits(masks))


def test_parts_hold_few_masks_at_a_time(model, monkeypatch):
    examples = random_examples(0)
    patched = Patched(model, examples, written(model, random_examples(1)))
    masks = drawn_masks(patched, 7, 0)
    monkeypatch.setattr("algoscope.discovery.circuits.patched.HELD", 8 * 5 * 6 * 8 * 2)
    parts = list(patched.in_parts(masks))
    assert [len(logits) for _, logits in parts] == [2, 2, 2, 1]
    torch.testing.assert_close(torch.cat([logits for _, logits in parts]), patched.logits(masks))


def test_means_leave_padding_out(model):
    examples = random_examples(0)
    found: Written = averaged(model, examples)
    outputs = written(model, examples).outputs
    real = [0, 2, 3, 4]
    torch.testing.assert_close(found.outputs[:, 0, 5], outputs[:, real, 5].mean(1))
    torch.testing.assert_close(found.outputs[:, 0, 0], outputs[:, :, 0].mean(1))
    everywhere = averaged(model, examples, across_places=True).outputs
    flat = torch.cat((outputs[:, :, :4].flatten(1, 2), outputs[:, real, 4:].flatten(1, 2)), 1)
    torch.testing.assert_close(everywhere[:, 0, 2], flat.mean(1))
