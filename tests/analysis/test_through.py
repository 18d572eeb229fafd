from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attribution import class_direction
from algoscope.analysis.components import decompose
from algoscope.analysis.direct import direct_contributions
from algoscope.analysis.through import (
    k_circuit,
    mean_query,
    outputs_through,
    position_query,
    queries,
    v_circuit,
    values_through,
)
from algoscope.model.head import Head
from algoscope.tasks.palindromes import arena_sample

WRITER, READER, END = Head(0, 0), Head(1, 0), 21


@pytest.fixture(scope="module")
def public(public_palindromes):
    direction = class_direction(public_palindromes.model, 0, 1, "not palindrome")
    return public_palindromes.model, public_palindromes.tensors, direction, arena_sample(100)


def close(found, golden):
    """Within 1e-5 of the largest value."""
    torch.testing.assert_close(found, golden, atol=1e-5 * golden.abs().max().item(), rtol=0)


def test_the_k_composition_circuit_is_the_golden_one(public):
    model, golden, _, examples = public
    position = position_query(model, READER, END)
    close(k_circuit(model, WRITER, READER, position), golden["k_composition_circuit"])
    mean = mean_query(model, examples, READER, END)
    close(mean, golden["q_10_mean_end_100"])
    close(k_circuit(model, WRITER, READER, mean), golden["k_composition_circuit_mean_query_100"])


def test_the_spread_of_queries_is_the_golden_one(public, public_palindromes):
    model, _, _, examples = public
    asked = queries(model, examples, READER, END)
    cosine = torch.nn.functional.cosine_similarity(asked, asked.mean(0, keepdim=True))
    assert cosine.min().item() == pytest.approx(
        public_palindromes.values["q_10_end_spread_100"]["min_cosine_with_mean"], abs=1e-5
    )


def test_the_v_composition_circuit_is_the_golden_one(public):
    model, golden, direction, _ = public
    close(v_circuit(model, WRITER, READER, direction.vector), golden["v_composition_circuit"])


def test_the_matching_heads_output_through_the_reading_heads_ov_is_golden(public, public_palindromes):
    model, golden, direction, examples = public
    out = outputs_through(model, examples, WRITER, READER, direction.vector)
    close(out, golden["h00_out_through_h10_ov_nonpal_100"])
    values = values_through(model, examples, WRITER, READER, direction.vector)
    close(values, golden["h00_value_through_h10_ov_nonpal_100"])
    assert values[2, 13].item() == pytest.approx(20.1647, abs=1e-3)
    assert values[:, 1:21].std(0).mean().item() == pytest.approx(
        public_palindromes.values["h00_value_through_h10_ov_mean_std_100"], abs=1e-4
    )


def test_direct_contributions_are_the_golden_ones(public):
    model, golden, direction, examples = public
    parts = decompose(model, examples, END)
    pushed = direct_contributions(model, examples, parts, direction)
    close(pushed.values, golden["out_by_component_in_nonpal_dir_100"])
    assert tuple(map(str, pushed.heads)) == ("0.0", "0.1", "1.0", "1.1")


def test_direct_contributions_and_bias_over_the_norms_scale_are_the_logit_difference(public):
    model, golden, direction, examples = public
    parts = decompose(model, examples, END)
    pushed = direct_contributions(model, examples, parts, direction)
    _, cache = model.run_with_cache(examples.tokens, ["ln_final.hook_scale"])
    whole = pushed.values.sum(0) + parts.bias @ direction.vector
    difference = whole / cache["ln_final.hook_scale"][:, END, 0] + model.b_U[0] - model.b_U[1]
    logits = golden["logits_end_100"]
    torch.testing.assert_close(difference, logits[:, 0] - logits[:, 1], atol=1e-4, rtol=0)
