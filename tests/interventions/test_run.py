"""Each source and each selection against an edit written out by hand."""

import pytest
import torch

from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.sources import Add, FromCache, FromRun, Mean, Resample, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.tasks.task import Examples

Z = "blocks.1.attn.hook_z"


def by_hand(model, tokens, site, edit):
    """Logits of a run in which `edit` changes the value of one site in place."""

    def hook(value, _):
        edit(value)

    return model.run_with_hooks(tokens, [(site, hook)])


@pytest.fixture
def tokens(padded_model, tokens_for):
    return tokens_for(padded_model)


@pytest.fixture
def z(padded_model, tokens):
    return padded_model.run_with_cache(tokens, [Z])[1][Z]


def test_zero_clears_the_selected_head_and_position(padded_model, tokens):
    def edit(value):
        value[:, 2, 1] = 0

    found = run(padded_model, tokens, Intervention(Z, Zero(), head=1, position=2)).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_several_heads_and_positions_with_gaps_are_all_changed(padded_model, tokens):
    def edit(value):
        for position in (0, 2, 4):
            value[:, position, 0] = value[:, position, 1] = 0

    several = Intervention(Z, Zero(), head=(0, 1), position=(4, 0, 2))
    assert torch.allclose(run(padded_model, tokens, several).logits, by_hand(padded_model, tokens, Z, edit))


def test_selections_with_gaps_along_two_axes_meet_at_every_pair(padded_model, tokens):
    site = "blocks.0.mlp.hook_post"

    def edit(value):
        for position in (0, 3):
            for neuron in (1, 4, 6):
                value[:, position, neuron] = 0

    chosen = Intervention(site, Zero(), position=(0, 3), neuron=(1, 4, 6))
    assert torch.allclose(run(padded_model, tokens, chosen).logits, by_hand(padded_model, tokens, site, edit))


def test_a_score_is_selected_by_head_query_and_key(padded_model, tokens):
    site = "blocks.0.attn.hook_attn_scores"

    def edit(value):
        value[:, 1, 0, 2] = 5.0

    one = Intervention(site, Value(torch.tensor(5.0)), head=1, position=0, key=2)
    assert torch.allclose(run(padded_model, tokens, one).logits, by_hand(padded_model, tokens, site, edit))


def test_the_mean_is_over_the_batch_position_by_position(padded_model, tokens, z):
    def edit(value):
        for position in range(z.shape[1]):
            value[:, position, 0] = sum(z[row, position, 0] for row in range(len(z))) / len(z)

    found = run(padded_model, tokens, Intervention(Z, Mean(), head=0)).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_the_mean_over_positions_leaves_padding_out(padded_model, tokens, z):
    real = [z[row, seq] for row, seq in (tokens != padded_model.config.pad_token).nonzero().tolist()]

    def edit(value):
        value[:] = sum(real) / len(real)

    found = run(padded_model, tokens, Intervention(Z, Mean(per="all"))).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_the_mean_per_class_is_over_the_inputs_own_class(padded_model, tokens_for):
    tokens = tokens_for(padded_model, batch=5)
    labels = torch.tensor([0, 2, 0, 2, 2])
    z = padded_model.run_with_cache(tokens, [Z])[1][Z]

    def edit(value):
        for row in range(5):
            value[row] = z[labels == labels[row]].mean(0)

    found = run(padded_model, tokens, Intervention(Z, Mean(per="class")), labels=labels).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_a_mean_per_class_may_bring_the_classes_of_the_batch(padded_model, tokens_for):
    tokens = tokens_for(padded_model, batch=5)
    classes, others = torch.tensor([0, 2, 0, 2, 2]), torch.tensor([1, 1, 0, 0, 1])
    expected = run(padded_model, tokens, Intervention(Z, Mean(per="class")), labels=classes).logits
    source = Mean(per="class", labels=classes.to(torch.int8))
    for labels in (None, others):
        found = run(padded_model, tokens, Intervention(Z, source), labels=labels).logits
        assert torch.allclose(found, expected)
    answered = torch.ones_like(tokens, dtype=torch.bool)
    examples = Examples(tokens, torch.zeros(tokens.numel(), dtype=torch.long), {}, answered)
    swept = sweep(padded_model, examples, [Intervention(Z, source)]).values[0]
    assert torch.allclose(swept, expected.flatten(0, 1))


def test_a_mean_over_a_reference_set_is_taken_there(padded_model, tokens, tokens_for):
    reference = tokens_for(padded_model, batch=7, seed=3)
    mean = padded_model.run_with_cache(reference, [Z])[1][Z].mean(0)

    def edit(value):
        value[:] = mean

    found = run(padded_model, tokens, Intervention(Z, Mean(over=reference))).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_resampling_takes_the_paired_examples_value(padded_model, tokens, z):
    def edit(value):
        value[:, :, 1] = z[[2, 0, 1], :, 1]

    found = run(padded_model, tokens, Intervention(Z, Resample(pairing=(2, 0, 1)), head=1)).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, Z, edit))


def test_a_seeded_pairing_is_a_permutation_and_the_same_each_time():
    partners = Resample(seed=7).partners(50)
    assert sorted(partners.tolist()) == list(range(50))
    assert torch.equal(partners, Resample(seed=7).partners(50))
    assert not torch.equal(partners, Resample(seed=8).partners(50))


@pytest.mark.parametrize("sources", [1, 3])
def test_activation_patching_takes_another_runs_value(padded_model, tokens, tokens_for, sources):
    other = tokens_for(padded_model, seed=9)[:sources]
    there = padded_model.run_with_cache(other, [Z])[1]

    def edit(value):
        value[:, 1:3] = there[Z][:, 1:3]

    expected = by_hand(padded_model, tokens, Z, edit)
    for source in (FromRun(other), FromCache(there)):
        found = run(padded_model, tokens, Intervention(Z, source, position=(1, 2))).logits
        assert torch.allclose(found, expected)


def test_a_tensor_may_have_the_shape_of_the_selection_or_of_the_site(padded_model, tokens, z):
    new = torch.randn_like(z)

    def edit(value):
        value[:, :, 1] = new[:, :, 1]

    expected = by_hand(padded_model, tokens, Z, edit)
    for tensor in (new, new[:, :, 1:]):
        found = run(padded_model, tokens, Intervention(Z, Value(tensor), head=1)).logits
        assert torch.allclose(found, expected)


def test_an_addition_is_added_to_what_is_there(padded_model, tokens):
    site = "blocks.0.hook_resid_post"
    step = torch.randn(padded_model.config.d_model, dtype=torch.float64)

    def edit(value):
        value[:, 3] += step

    found = run(padded_model, tokens, Intervention(site, Add(step), position=3)).logits
    assert torch.allclose(found, by_hand(padded_model, tokens, site, edit))


def test_interventions_act_together(padded_model, tokens):
    both = [Intervention("blocks.0.attn.hook_z", Zero(), head=0), Intervention(Z, Zero(), head=1)]

    def clear(head):
        def hook(value, _):
            value[:, :, head] = 0

        return hook

    expected = padded_model.run_with_hooks(tokens, [("blocks.0.attn.hook_z", clear(0)), (Z, clear(1))])
    assert torch.allclose(run(padded_model, tokens, both).logits, expected)


def test_sources_are_taken_from_runs_without_interventions(padded_model, tokens, z):
    both = [Intervention("blocks.0.attn.hook_z", Zero()), Intervention(Z, Mean())]
    cache = run(padded_model, tokens, both, sites=[Z]).cache
    assert torch.allclose(cache[Z], z.mean(0).expand_as(z))


@pytest.mark.parametrize("site", ["hook_pos_embed", "blocks.0.hook_q_input", "blocks.1.hook_v_input"])
def test_values_that_a_run_forms_by_repeating_can_be_edited_in_one_row(padded_model, tokens, site):
    cache = padded_model.run_with_cache(tokens, [site])[1]
    new = cache[site].clone()
    new[1] += torch.randn_like(new[1])
    found = run(padded_model, tokens, Intervention(site, Value(new))).logits
    clean = padded_model(tokens)
    assert torch.allclose(found[[0, 2]], clean[[0, 2]])
    assert not torch.allclose(found[1], clean[1])


def test_other_tokens_are_run_as_if_they_had_been_given(padded_model, tokens):
    pad = padded_model.config.pad_token
    others = tokens.clone()
    others[:, 1], others[:, 2] = pad, tokens[[2, 0, 1], 2]
    edits = [
        Intervention("hook_tokens", Value(torch.tensor(pad)), position=1),
        Intervention("hook_tokens", Resample(pairing=(2, 0, 1)), position=2),
    ]
    found = run(padded_model, tokens, edits, sites=["hook_tokens"])
    assert torch.equal(found.cache["hook_tokens"], others)
    assert torch.allclose(found.logits, padded_model(others))


def test_a_heads_own_stream_is_what_its_queries_keys_and_values_read(padded_model, tokens):
    source = FromRun(tokens.flip(0))
    apart = [Intervention(f"blocks.1.hook_{letter}_input", source, head=1) for letter in "qkv"]
    expected = run(padded_model, tokens, apart).logits
    found = run(padded_model, tokens, Intervention("blocks.1.hook_attn_in", source, head=1)).logits
    assert torch.allclose(found, expected)


def test_patching_a_run_into_itself_changes_nothing(padded_model, tokens):
    clean = padded_model(tokens)
    for site in padded_model.sites:
        found = run(padded_model, tokens, Intervention(site, FromRun(tokens))).logits
        assert torch.allclose(found, clean), site


def test_no_intervention_changes_nothing(padded_model, tokens):
    assert torch.equal(run(padded_model, tokens, ()).logits, padded_model(tokens))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Intervention("blocks.0.attn.hook_query", Zero()), "did you mean 'blocks.0.attn.hook_q'"),
        (Intervention("blocks.7.attn.hook_z", Zero()), "did you mean"),
        (
            Intervention(Z, Zero(), head=2),
            "head 2 does not exist at 'blocks.1.attn.hook_z': there are 0 to 1",
        ),
        (Intervention(Z, Zero(), position=-1), "position -1 does not exist"),
        (Intervention(Z, Zero(), neuron=0), "has no neuron to select"),
        (Intervention("hook_tokens", Value(torch.tensor(0.5))), "a tensor gives 0.5 at 'hook_tokens'"),
        (Intervention("hook_tokens", Value(torch.tensor(5))), "from 5 to 5: the model has 0 to 4"),
        (Intervention("hook_embed", Zero(), head=0), "has no head to select"),
        (Intervention(Z, Zero(), head=()), "no head is selected"),
        (Intervention(Z, Zero(), head=(1, 1)), "names one twice"),
        (Intervention(Z, Value(torch.zeros(3, 5, 2, 9))), r"give \[3, 5, 2, 4\]"),
        (Intervention(Z, Value(torch.zeros(2, 5, 2, 4))), "for 2 examples at .* the batch has 3"),
        (Intervention(Z, FromCache({})), "the cache to patch from lacks"),
        (Intervention(Z, Resample(pairing=(0, 1))), "a pairing of 2 for 3 examples"),
        (Intervention(Z, Resample(pairing=(0, 1, 3))), "a pairing of 3 for 3 examples"),
        (Intervention(Z, Mean(per="class")), "needs the class of each input"),
        (Intervention(Z, Mean(per="class", labels=torch.zeros(2).long())), r"int64 \[2\] for 3 examples"),
        (Intervention(Z, Mean(per="class", labels=torch.zeros(3))), "an integer each"),
        (Intervention(Z, Mean(per="class", labels=torch.tensor([0, 1, -1]))), "reach down to -1"),
        (Intervention(Z, FromRun(torch.zeros(2, 5, dtype=torch.long))), "patch from 2 examples into 3"),
        (Intervention(Z, FromRun(torch.zeros(3, 4, dtype=torch.long))), "pad them to the same length"),
        ([Intervention(Z, Zero(), head=0), Intervention(Z, Mean(), position=2)], "overwrite the same values"),
    ],
)
def test_what_can_not_be_done_is_an_error_that_names_what_can(padded_model, tokens, wrong, says):
    with pytest.raises(UserError, match=says):
        run(padded_model, tokens, wrong)


def test_interventions_on_different_heads_or_that_add_do_not_overwrite_each_other(padded_model, tokens):
    apart = [Intervention(Z, Zero(), head=0), Intervention(Z, Zero(), head=1)]
    added = [Intervention(Z, Zero(), head=0), Intervention(Z, Add(torch.ones(4)), head=0)]
    for together in (apart, added):
        assert run(padded_model, tokens, together).logits.shape == (3, 5, 3)


def test_a_source_with_an_unknown_kind_of_mean_is_refused():
    with pytest.raises(UserError, match="choose from all, position, class"):
        Mean(per="head")
    with pytest.raises(UserError, match="give labels="):
        Mean(per="class", over=torch.zeros(2, 5, dtype=torch.long))
    for per in ("position", "all"):
        with pytest.raises(UserError, match=f"labels are for means per class, not per {per}"):
            Mean(per=per, labels=torch.zeros(2, dtype=torch.long))
