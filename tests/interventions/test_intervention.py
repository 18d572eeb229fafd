"""Edits at any sites, several at one included: as in a slow transformer, or refused by name."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.sources import Add, FromRun, Mean, Resample, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

POST, PRE = "blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"
STEP = torch.tensor(0.3, dtype=torch.float64)

SOURCES = {
    "zero": (Zero(), np.zeros_like),
    "constant": (Value(torch.tensor(0.7, dtype=torch.float64)), lambda clean: np.full_like(clean, 0.7)),
    "mean": (Mean(), lambda clean: clean.mean(0, keepdims=True).repeat(len(clean), 0)),
    "resample": (Resample(seed=1), lambda clean: clean[Resample(seed=1).partners(len(clean))]),
    "add": (Add(STEP), lambda clean: np.full_like(clean, 0.3)),
}
"""Each with what it makes of a site's clean value, written out."""


def value_at(site):
    """The name of the value that the site holds: one layer's end is the next one's start."""
    layer = int(site.split(".")[1]) if site.endswith("resid_post") else None
    return site if layer is None else f"blocks.{layer + 1}.hook_resid_pre"


def where(site, shape, one):
    """Which entries of the site's value `[batch *axes]` an intervention selects."""
    mask = np.ones(shape, dtype=bool)
    for axis, name in enumerate(site.axes):
        field = "position" if name in ("seq", "query") else name
        chosen = getattr(one, field, None)
        if chosen is not None:
            along = np.isin(np.arange(shape[axis]), chosen)
            mask &= along.reshape([-1 if each == axis else 1 for each in range(len(shape))])
    return mask


def written_out(model, clean, variant, kinds, change):
    """The variant's edits as the slow transformer takes them, site by site in the order given."""
    changes = {}
    for one, kind in zip(variant, kinds, strict=True):
        value = clean[one.site]
        keep, shift = changes.get(one.site, (np.ones_like(value), np.zeros_like(value)))
        new, mask = SOURCES[kind][1](value), where(model.sites[one.site], value.shape, one)
        if kind == "add":
            changes[one.site] = change(keep, shift + mask * new)
        else:
            changes[one.site] = change(np.where(mask, 0, keep), np.where(mask, new, shift))
    return changes


def lost(model, clean, variant, kinds):
    """The first two edits of one value of which the later puts something in the earlier's place."""
    edits = list(zip(variant, kinds, strict=True))
    edits.sort(key=lambda edit: not edit[0].site.endswith("resid_post"))
    for (one, _), (other, kind) in combinations(edits, 2):
        if value_at(one.site) == value_at(other.site) and kind != "add":
            shape = clean[one.site].shape
            if (where(model.sites[one.site], shape, one) & where(model.sites[one.site], shape, other)).any():
                return one, other
    return None


def some_selection(random, site, sizes):
    """One index, several or all along each axis that has a selector."""
    found = {}
    for axis in set(site.axes) & {"seq", "query", "key", "head", "neuron"}:
        name = "position" if axis in ("seq", "query") else axis
        several = random.sample(range(sizes[axis]), random.randint(1, sizes[axis]))
        found[name] = random.choice([None, random.randrange(sizes[axis]), several])
    return found


def an_edit(random, model, name):
    """An intervention at this site, and the kind of its source. Zero would divide by a norm's scale."""
    config = model.config
    sizes = {"head": config.n_heads, "neuron": config.d_mlp}
    sizes |= dict.fromkeys(("seq", "query", "key"), config.n_ctx)
    kind = random.choice([kind for kind in SOURCES if kind != "zero" or not name.endswith("scale")])
    chosen = some_selection(random, model.sites[name], sizes)
    return Intervention(name, SOURCES[kind][0], **chosen), kind


def check(model, tokens, variants, slow_run, change, answered):
    """Each variant gives what the slow transformer gives, in a run and in a sweep, or names what is lost."""
    _, clean = slow_run(model, tokens, {})
    labels = torch.zeros(int(answered.sum()), dtype=torch.long)
    examples = Examples(tokens, labels, {}, answered)
    kept, expected = [], []
    for edits in variants:
        variant, kinds = zip(*edits, strict=True)
        names = lost(model, clean, variant, kinds)
        if names is not None:
            for refused in (
                lambda one=variant: run(model, tokens, one),
                lambda one=variant: sweep(model, examples, [one]),
            ):
                with pytest.raises(UserError, match="overwrite the same values") as error:
                    refused()
                assert all(repr(one.site) in str(error.value) for one in names)
            continue
        logits, _ = slow_run(model, tokens, written_out(model, clean, variant, kinds, change))
        found = run(model, tokens, variant).logits.numpy()
        np.testing.assert_allclose(found, logits, rtol=1e-8, atol=1e-8, err_msg=str(variant))
        kept.append(variant)
        expected.append(logits[answered.numpy()])
    if kept:
        found = sweep(model, examples, kept).values.numpy()
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-8, atol=1e-8)
    return len(kept)


def test_every_pair_of_sites_acts_in_the_order_of_the_computation_or_is_refused(slow_run, change):
    config = Config(
        n_layers=2, d_model=4, n_heads=2, d_head=2, n_ctx=2, d_vocab=3, d_vocab_out=2, d_mlp=3, act_fn="relu",
        attention_dir="bidirectional",
    )  # fmt: skip
    model = Transformer(config, seed=2).double().requires_grad_(False)
    random = Random(0)
    variants = []
    for pair in combinations_with_replacement(model.sites, 2):
        edits = [an_edit(random, model, name) for name in pair]
        variants.append(edits if random.random() < 0.5 else edits[::-1])
    tokens, answered = torch.tensor([[0, 1], [2, 2]]), torch.tensor([[False, True]] * 2)
    assert check(model, tokens, variants, slow_run, change, answered) > 0.95 * len(variants)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_edits_of_a_few_sites_compose_as_in_the_slow_transformer(data, draw_model, slow_run, change):
    model, tokens = draw_model(data)
    random = data.draw(st.randoms(use_true_random=False))
    few = random.sample(list(model.sites), 2) + [name for name in (POST, PRE) if name in model.sites]
    variants = [[an_edit(random, model, random.choice(few)) for _ in range(3)] for _ in range(3)]
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[0, random.randrange(tokens.shape[1])] = answered[:, random.randrange(tokens.shape[1])] = True
    check(model, tokens, variants, slow_run, change, answered)


def test_zero_then_add_is_what_is_added(padded_model, tokens_for):
    site, step = "blocks.0.attn.hook_z", Add(STEP)
    both = [Intervention(site, Zero(), head=0), Intervention(site, step, head=0)]
    cache = run(padded_model, tokens_for(padded_model), both, sites=[site]).cache
    assert (cache[site][:, :, 0] == STEP).all()


@pytest.mark.parametrize("source", [Zero(), Mean(), Resample(), FromRun(torch.zeros(1, 5, dtype=torch.long))])
def test_an_addition_that_a_later_edit_replaces_is_refused(padded_model, tokens_for, source):
    site = "blocks.0.attn.hook_z"
    lost = [Intervention(site, Add(STEP)), Intervention(site, source, head=1, position=2)]
    with pytest.raises(UserError, match=r"all <- added tensor.*then.*head 1, position 2 <- .*and add last"):
        run(padded_model, tokens_for(padded_model), lost)


def test_the_end_of_a_layer_and_the_start_of_the_next_are_one_value(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    first, second = Intervention(POST, Zero(), position=1), Intervention(PRE, Add(STEP), position=1)
    one_site = run(padded_model, tokens, [first, Intervention(POST, Add(STEP), position=1)]).logits
    for order in ([first, second], [second, first]):
        assert torch.allclose(run(padded_model, tokens, order).logits, one_site)
    apart = [Intervention(POST, Zero(), position=1), Intervention(PRE, Zero(), position=(0, 2))]
    together = run(padded_model, tokens, Intervention(PRE, Zero(), position=range(3))).logits
    assert torch.allclose(run(padded_model, tokens, apart).logits, together)
    for lost in (first, Intervention(POST, Add(STEP))):
        with pytest.raises(UserError, match=f"{POST!r}.* then {PRE!r}"):
            run(padded_model, tokens, [Intervention(PRE, Mean()), lost])


def test_values_for_several_places_follow_the_order_in_which_they_are_named(padded_model, tokens_for):
    site, tokens = "blocks.1.attn.hook_z", tokens_for(padded_model)
    new = torch.randn(3, 3, 2, 4, dtype=torch.float64)
    order = (4, 0, 2)
    one = Intervention(site, Value(new), position=order)
    found = run(padded_model, tokens, one, sites=[site])
    for place, position in enumerate(order):
        assert torch.equal(found.cache[site][:, position], new[:, place])
    answered = torch.ones_like(tokens, dtype=torch.bool)
    answered[:, [0, 3]] = False
    examples = Examples(tokens, torch.zeros(9, dtype=torch.long), {}, answered)
    assert torch.allclose(sweep(padded_model, examples, [one]).values[0], found.logits[answered])
