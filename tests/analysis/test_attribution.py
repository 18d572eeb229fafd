from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.analysis.attribution import (
    Contributions,
    Direction,
    class_direction,
    contributions,
    histograms,
    margins,
    pull_back,
)
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.errors import UserError
from algoscope.model.component import EMBEDDING, Component
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

H00 = Component.parse("0.0")


def identity(width: int) -> LinearFit:
    return LinearFit(torch.eye(width).double(), torch.zeros(width).double(), 1.0, 2)


def test_contributions_are_dot_products_less_the_mean_of_the_marked_rows(small, strings):
    components = decompose(small, strings, 0)
    direction = class_direction(small, 0, 1, "unbalanced")
    centre = strings.labels == 1
    found = contributions(components, direction, centre)
    for index, part in enumerate(components.parts):
        dots = [
            sum(a * b for a, b in zip(row, direction.vector, strict=True)) for row in components.values[index]
        ]
        mean = sum(dot for dot, marked in zip(dots, centre, strict=True) if marked) / centre.sum()
        torch.testing.assert_close(found[part], torch.stack(dots) - mean, atol=1e-5, rtol=1e-4)


def test_contributions_add_up_to_the_linearised_logit_difference(small, strings):
    components = decompose(small, strings, 0)
    fit = fit_norm(small.ln_final, components.resid)
    direction = pull_back(class_direction(small, 0, 1, "unbalanced"), fit, "before the final norm")
    total = contributions(components, direction, strings.labels == 1).values.sum(0)
    linear = components.resid.double() @ fit.A.T + fit.b
    logits = linear @ small.W_U.double() + small.b_U.double()
    difference = logits[:, 0] - logits[:, 1]
    expected = difference - difference[strings.labels == 1].mean()
    torch.testing.assert_close(total.double(), expected, atol=1e-4, rtol=1e-4)


def test_a_direction_pulled_back_gives_the_same_dot_products_before_the_map(small, strings):
    components = decompose(small, strings, 0)
    fit = fit_norm(small.ln_final, components.resid)
    after = class_direction(small, 1, 0, "balanced")
    before = pull_back(after, fit, "before the final norm")
    through = (components.resid.double() @ fit.A.T) @ after.vector.double()
    torch.testing.assert_close(
        components.resid.double() @ before.vector.double(), through, atol=1e-4, rtol=1e-4
    )
    assert before.r2 == fit.r2


def test_margins_of_two_classes_are_contributions_signed_by_the_label(small, strings):
    components = decompose(small, strings, 0)
    every = torch.ones(len(strings), dtype=torch.bool)
    towards = contributions(components, class_direction(small, 0, 1, "unbalanced"), every).values
    found = margins(small, components, identity(small.config.d_model), strings.labels).values
    torch.testing.assert_close(
        found, torch.where(strings.labels == 0, towards, -towards), atol=1e-5, rtol=1e-4
    )


def test_margins_of_a_set_count_each_class_towards_its_own_yes_or_no(small, strings):
    components = decompose(small, strings, 0)
    centred = components.values - components.values.mean(1, keepdim=True)
    per_class = centred @ small.W_U
    labels = torch.stack([strings.labels == 0, strings.tokens[:, 2] == 3], 1)
    found = margins(small, components, identity(small.config.d_model), labels)
    for row in range(5):
        signs = [1 if belongs else -1 for belongs in labels[row].tolist()]
        expected = (signs[0] * per_class[:, row, 0] + signs[1] * per_class[:, row, 1]) / 2
        torch.testing.assert_close(found.values[:, row], expected, atol=1e-5, rtol=1e-4)
    assert found.towards == "the truth"


def test_margins_of_three_classes_set_the_truth_against_the_mean_of_the_others():
    config = Config(
        n_layers=1, d_model=3, n_heads=1, d_head=1, n_ctx=2, d_vocab=2, d_vocab_out=3, attention_dir="causal"
    )
    model = Transformer(config)
    model.unembed.W_U.data = torch.eye(3)
    values = torch.tensor([[[4.0, 2.0, 0.0], [0.0, 2.0, 8.0]]])
    components = Components((H00,), values, torch.zeros(3), values[0])
    found = margins(model, components, identity(3), torch.tensor([0, 2]))
    # Centred: (2, 0, -4) and (-2, 0, 4); the truth less the mean of the others: 2 - (-2), and 4 - (-1).
    assert found[H00].tolist() == [4.0, 5.0]


def test_contributions_of_a_model_in_double_precision_are_those_of_the_single_one(small, strings):
    direction = class_direction(small, 0, 1, "unbalanced")
    single = contributions(decompose(small, strings, 0), direction, strings.labels == 1)
    double = contributions(decompose(small.double(), strings, 0), direction, strings.labels == 1)
    torch.testing.assert_close(single.values, double.values, atol=1e-4, rtol=1e-4)


def test_without_an_example_to_centre_on_there_are_no_contributions(small, strings):
    components = decompose(small, strings, 0)
    with pytest.raises(UserError, match="no example to centre contributions on"):
        contributions(components, class_direction(small, 0, 1, "unbalanced"), strings.labels == 5)


def test_an_unknown_component_is_named_with_those_there_are():
    pushed = Contributions((EMBEDDING, H00), torch.zeros(2, 3), "unbalanced")
    with pytest.raises(UserError, match=r"no component 0\.1: there are embedding, 0\.0"):
        pushed[Component.parse("0.1")]


@given(values=st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=30), split=st.integers(1, 3))
def test_every_group_of_a_histogram_sums_to_1_and_zero_is_on_the_axis(values, split):
    pushed = Contributions((H00,), torch.tensor([values]), "unbalanced")
    first = torch.arange(len(values)) < split
    found = histograms(pushed, {"first": first, "rest": ~first, "none": first & ~first}, bins=7)
    assert found.groups == ("first", "rest")
    assert abs(found.shares.sum(-1) - 1).max() < 1e-9
    assert found.edges[0] <= 0 <= found.edges[-1]


def test_a_constant_component_decides_nothing():
    values = torch.ones(1, 4, 3)
    components = Components((H00,), values, torch.zeros(3), values[0])
    direction = Direction(torch.tensor([1.0, 2.0, 3.0]), "unbalanced", "before the final norm")
    found = contributions(components, direction, torch.tensor([True, False, False, True]))
    assert found.values.abs().max() == 0


def test_the_public_models_unbalanced_direction_is_golden(public):
    golden = public.tensors["pre_final_ln_dir_5000"]
    scale = golden.abs().max().item()
    torch.testing.assert_close(public.direction.vector, golden, atol=1e-3 * scale, rtol=0)


def test_every_component_contribution_of_the_public_model_is_golden(public):
    golden = public.tensors["out_by_component_in_unbalanced_dir_5000"]
    torch.testing.assert_close(public.pushed.values, golden, atol=1e-3, rtol=0)


def test_what_heads_2_0_and_2_1_contribute_by_failure_type_is_golden(public):
    names = public.values["failure_type_names"]["value"]
    golden = public.values["h20_h21_contribution_by_failure_type_5000"]["value"]
    for index, name in enumerate(names):
        means = public.pushed.mean(public.tensors["failure_type_5000"] == index)
        assert abs(means[Component.parse("2.0")] - golden[name]["h2.0"]) < 1e-3
        assert abs(means[Component.parse("2.1")] - golden[name]["h2.1"]) < 1e-3
