"""The gradient estimate against derivatives taken by hand, and against the exact sweep."""

import math

import pytest
import torch

from algoscope.errors import UserError
from algoscope.interventions.attribution_patching import agreement, attribution_patching
from algoscope.interventions.families import heads_by_position, sites_by_position
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import accuracy, kl_from_clean, logit_difference, loss, loss_by_row
from algoscope.interventions.results import Sweep
from algoscope.interventions.sources import Add, FromRun, Zero
from algoscope.interventions.sweep import sweep
from algoscope.tasks.task import Examples


@pytest.fixture
def examples(padded_model, tokens_for):
    tokens = tokens_for(padded_model, batch=5)
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, 0] = True
    return Examples(tokens, torch.arange(5) % padded_model.config.d_vocab_out, {}, answered)


@pytest.fixture
def scattered(examples):
    """Answered at places that differ, some inputs not at all, and at positions that start anywhere."""
    answered = torch.zeros(5, 5, dtype=torch.bool)
    answered[[0, 0, 3, 3, 3, 4], [0, 4, 0, 1, 2, 1]] = True
    ids = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 4], [2, 3, 4, 4, 4], [3, 3, 3, 3, 3], [0, 2, 4, 1, 3]])
    return Examples(examples.tokens, torch.tensor([0, 1, 2, 0, 1, 2]), {}, answered, ids)


def test_for_a_small_step_at_any_site_it_is_the_change_of_the_metric(padded_model, examples):
    sites = [name for name in padded_model.sites if name != "hook_tokens"]
    values = padded_model.run_with_cache(examples.tokens, sites)[1]
    family = [Intervention(site, Add(1e-6 * torch.randn_like(value))) for site, value in values.items()]
    estimated = attribution_patching(padded_model, examples, family, loss)
    exact = sweep(padded_model, examples, family, loss)
    assert torch.allclose(estimated.clean, exact.clean)
    changes = torch.stack((exact.values - exact.clean, estimated.values - estimated.clean))
    assert (changes.abs() > 1e-9).any(0).sum() > 0.9 * len(family)
    assert torch.allclose(changes[0], changes[1], rtol=1e-3, atol=1e-11)


def test_tokens_have_no_gradient(padded_model, examples):
    with pytest.raises(UserError, match="intervene on hook_embed instead of hook_tokens"):
        attribution_patching(padded_model, examples, [Intervention("hook_tokens", Zero())], loss)


def test_answers_at_differing_places_count_as_in_the_sweep(padded_model, scattered, monkeypatch):
    step = Add(1e-6 * torch.arange(8).double())
    family = [Intervention("blocks.0.hook_resid_pre", step, position=p) for p in range(5)]
    exact = sweep(padded_model, scattered, family, loss)
    monkeypatch.setattr("algoscope.interventions.attribution_patching.ROWS", 2)
    estimated = attribution_patching(padded_model, scattered, family, loss)
    assert torch.allclose(estimated.clean, exact.clean)
    changes = exact.values - exact.clean
    assert (changes.abs() > 1e-9).all()
    assert torch.allclose(estimated.values - exact.clean, changes, rtol=1e-3, atol=1e-11)


def test_at_the_end_of_the_model_it_is_exact(padded_model, examples):
    """Logits are linear in the last normalised stream, so first order is all there is."""
    family = [
        Intervention("ln_final.hook_normalized", FromRun(examples.tokens.flip(0)), position=p) for p in (0, 1)
    ]
    metric = logit_difference(towards=1)
    estimated = attribution_patching(padded_model, examples, family, metric)
    assert torch.allclose(estimated.values, sweep(padded_model, examples, family, metric).values)
    assert torch.equal(estimated.values[1], estimated.clean)


def test_interventions_together_add_up(padded_model, examples):
    one, other = (Intervention("blocks.0.attn.hook_z", Zero(), head=head) for head in (0, 1))
    found = attribution_patching(padded_model, examples, [one, other, (one, other)], loss)
    changes = found.values - found.clean
    assert torch.allclose(changes[2], changes[0] + changes[1])


def test_rows_in_parts_give_the_same(padded_model, examples, monkeypatch):
    family = heads_by_position(padded_model.config, Zero(), range(5))
    whole = attribution_patching(padded_model, examples, family, loss).values
    monkeypatch.setattr("algoscope.interventions.attribution_patching.ROWS", 2)
    assert torch.allclose(attribution_patching(padded_model, examples, family, loss).values, whole)


def test_it_follows_the_exact_sweep_of_a_real_family(padded_model, examples):
    family = sites_by_position(padded_model.config, FromRun(examples.tokens[:1]), range(5))
    exact = sweep(padded_model, examples, family, loss)
    found = agreement(exact, attribution_patching(padded_model, examples, family, loss))
    assert found.interventions == len(family)
    assert 0.5 < found.pearson < 1


def test_the_model_keeps_no_gradients(padded_model, examples):
    attribution_patching(padded_model, examples, [Intervention("hook_embed", Zero())], loss)
    assert all(value.grad is None and not value.requires_grad for value in padded_model.parameters())


def test_kl_is_flat_at_the_clean_run_and_accuracy_has_no_gradient(padded_model, examples):
    family = [Intervention("hook_embed", Zero())]
    assert attribution_patching(padded_model, examples, family, kl_from_clean).values.abs().max() < 1e-12
    with pytest.raises(UserError, match="accuracy has no gradient"):
        attribution_patching(padded_model, examples, family, accuracy)
    with pytest.raises(UserError, match="loss_by_row gives a number for each answer"):
        attribution_patching(padded_model, examples, family, loss_by_row)


def ranked(values):
    return Sweep(torch.tensor(values), torch.tensor(0.0), ({"site": "x"},) * len(values), "loss")


def test_agreement_is_what_statistics_books_say():
    found = agreement(ranked([1.0, 2.0, 3.0, 4.0]), ranked([1.0, 4.0, 9.0, 16.0]))
    assert math.isclose(found.spearman, 1.0)
    assert math.isclose(found.pearson, 0.984374, abs_tol=1e-5)
    tied = agreement(ranked([1.0, 1.0, 2.0]), ranked([3.0, 5.0, 4.0]))
    assert math.isclose(tied.spearman, 0.0, abs_tol=1e-12)


def test_agreement_refuses_sweeps_of_different_interventions():
    with pytest.raises(UserError, match="different interventions"):
        agreement(ranked([1.0, 2.0]), ranked([1.0, 2.0, 3.0]))
