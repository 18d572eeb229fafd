"""Every spelling of a selection means the same, in a run and in a sweep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.interventions.families import heads_by_position
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.selection import Chosen, chosen
from algoscope.interventions.sources import Zero
from algoscope.interventions.sweep import sweep
from algoscope.tasks.task import Examples

Z, POST, SCORES = "blocks.1.attn.hook_z", "blocks.0.mlp.hook_post", "blocks.0.attn.hook_attn_scores"
PLACES = [(Z, "head", 2), (Z, "position", 5), (POST, "neuron", 7), (SCORES, "key", 5), (SCORES, "head", 2)]


def spellings(indices, size):
    """Some indices, in order, in every way in which they can be written."""
    mask = [index in indices for index in range(size)]
    every = [
        list(indices),
        tuple(indices),
        {*indices},
        [np.int64(index) for index in indices],
        (torch.tensor(index) for index in indices),
        np.array(indices),
        np.array(indices, dtype=np.uint8),
        torch.tensor(indices),
        torch.tensor(indices, dtype=torch.int8),
        mask,
        tuple(mask),
        [np.bool_(each) for each in mask],
        np.array(mask),
        torch.tensor(mask),
    ]
    if indices == tuple(range(indices[0], indices[-1] + 1)):
        every.append(range(indices[0], indices[-1] + 1))
    if len(indices) == 1:
        (index,) = indices
        every += [index, np.int32(index), np.array(index), torch.tensor(index)]
    return every


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_all_spellings_of_a_selection_give_the_same(data):
    size = data.draw(st.integers(1, 6))
    indices = tuple(sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1))))
    for spelling in spellings(indices, size):
        assert chosen(spelling, "head").along(size, "head", Z) == indices


@pytest.mark.parametrize(("site", "name", "size"), PLACES)
@pytest.mark.parametrize("indices", [(1,), (0, 1)])
def test_all_spellings_act_the_same_in_a_run_and_in_a_sweep(
    padded_model, tokens_for, site, name, size, indices
):
    tokens = tokens_for(padded_model)
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, 0] = True
    examples = Examples(tokens, torch.zeros(3, dtype=torch.long), {}, answered)
    first = Intervention(site, Zero(), **{name: indices if len(indices) > 1 else indices[0]})
    expected = run(padded_model, tokens, first).logits
    variants = [Intervention(site, Zero(), **{name: each}) for each in spellings(indices, size)]
    for one in variants:
        assert torch.equal(run(padded_model, tokens, one).logits, expected)
        assert one.label == first.label
        assert one.component == first.component
    swept = sweep(padded_model, examples, variants)
    assert torch.allclose(swept.values, expected[None, :, 0].expand_as(swept.values))


def test_the_order_of_indices_is_kept_and_one_index_is_a_number():
    assert chosen([2, 0], "head").plain == (2, 0)
    assert chosen([2], "head").plain == 2
    assert chosen(None, "head") == Chosen(None)


def test_families_take_positions_from_a_tensor(padded_model):
    family = heads_by_position(padded_model.config, Zero(), torch.tensor([0, 3]))
    assert [one.label["position"] for one in family[:2]] == [0, 3]


@pytest.mark.parametrize("one", [True, False, np.bool_(True), torch.tensor(True), np.array(False)])
def test_a_bool_alone_is_no_index(one):
    with pytest.raises(UserError, match=r"head is (True|False): give an index, or a mask"):
        Intervention(Z, Zero(), head=one)


@pytest.mark.parametrize(
    "wrong", ["0", 1.0, [0.0], ["0"], [True, 1], torch.tensor([0.0]), torch.tensor([[0, 1]]), [None], object]
)
def test_what_is_neither_indices_nor_a_mask_is_refused(wrong):
    with pytest.raises(UserError, match=r"head is .*: give an index, several, a mask of bools alone"):
        Intervention(Z, Zero(), head=wrong)


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ((True, False, True), f"head is a mask of 3 at '{Z}': give 2 bools, one for each head"),
        (torch.tensor([True]), "head is a mask of 1"),
        ([False, False], "no head is selected"),
        ([0, np.int64(0)], "names one twice"),
        (torch.tensor(2), "head 2 does not exist"),
        (np.int64(-1), "head -1 does not exist"),
    ],
)
def test_a_selection_that_does_not_fit_the_axis_is_refused(padded_model, tokens_for, selection, says):
    with pytest.raises(UserError, match=says):
        run(padded_model, tokens_for(padded_model), Intervention(Z, Zero(), head=selection))
