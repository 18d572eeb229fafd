from __future__ import annotations

import math

import pytest
import torch

from algoscope.discovery.needs import EXAMPLES, needs
from algoscope.model.component import Component, heads_and_mlps
from algoscope.tasks.task import Examples


@pytest.fixture
def examples(model, tokens_for) -> Examples:
    """Some with one answer, some with two."""
    tokens = tokens_for(model, batch=12)
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, 1] = True
    answered[::2, 0] = True
    labels = torch.arange(int(answered.sum())) % model.config.d_vocab_out
    return Examples(tokens, labels, {}, answered)


def loss(logits, examples) -> float:
    """The slow and obvious mean cross-entropy over answers, in even guesses."""
    total = 0.0
    for row, label in enumerate(examples.labels.tolist()):
        at = int(examples.row_example[row]), int(examples.row_position[row])
        total -= logits[at].log_softmax(-1)[label].item() / math.log(logits.shape[-1])
    return total / len(examples.labels)


def with_hook(model, examples, name, new, head):
    """The loss where a site's value, of one head or whole, is `new(value)` of the run as it is."""

    def change(value, site):
        if head is None:
            value[:] = new(value.clone())
        else:
            value[:, :, head] = new(value[:, :, head].clone())

    return loss(model.run_with_hooks(examples.tokens, [(name, change)]), examples)


@pytest.mark.parametrize("text", ["0.0", "MLP 0"])
def test_each_kind_of_ablation_costs_what_a_run_with_hooks_says(model, examples, text):
    part = Component.parse(text)
    if part not in heads_and_mlps(model.config):
        pytest.skip("this model has no MLP")
    found, index = needs(model, examples, seed=3), None if part.head is None else part.head.index
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    clean = loss(model(examples.tokens), examples)
    for effects, new in (
        (found.zero, torch.zeros_like),
        (found.mean, lambda value: value.mean(0, keepdim=True)),
        (found.resample, lambda value: value[order]),
    ):
        by_hand = with_hook(model, examples, part.site, new, index) - clean
        assert effects[part].rise.mean == pytest.approx(by_hand, abs=1e-9)


def test_towards_the_answer_alone_a_mean_is_put_where_the_last_norm_reads(model, examples):
    found = needs(model, examples)
    result = model.run_with_cache(examples.tokens)[1]["blocks.0.attn.hook_result"][:, :, 0]
    moved = result.mean(0, keepdim=True) - result
    last = f"blocks.{model.config.n_layers - 1}.hook_resid_post"
    by_hand = with_hook(model, examples, last, lambda value: value + moved, None)
    rise = by_hand - loss(model(examples.tokens), examples)
    assert found.direct[Component.parse("0.0")].rise.mean == pytest.approx(rise, abs=1e-6)


def test_parts_are_in_the_order_of_the_computation_and_needed_ones_by_need(model, examples):
    found = needs(model, examples)
    assert tuple(found.mean) == tuple(found.direct) == heads_and_mlps(model.config)
    rises = [found.mean[part].rise.mean for part in found.needed]
    assert rises == sorted(rises, reverse=True)
    assert found.used[: len(rises)] == found.needed
    assert set(found.needed) | set(found.unneeded) <= set(found.mean)


def test_of_many_examples_some_are_drawn(model, examples):
    many = examples[torch.arange(EXAMPLES + 50) % 12]
    assert len(needs(model, many).examples) == EXAMPLES
