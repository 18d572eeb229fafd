from __future__ import annotations

import pytest
import torch

from algoscope.analysis.patterns import (
    attention_with_queries_of,
    evenness,
    mean_patterns,
    pattern_with_mean_keys,
    queries_and_keys,
    split_by_order,
)
from algoscope.tasks.brackets import Brackets


def test_even_attention_is_as_even_as_can_be():
    found = evenness(torch.full((5,), 0.1))
    assert (found.entropy, found.max_over_min, found.moved) == pytest.approx((1, 1, 0))


def test_all_attention_on_one_of_four_keys_would_have_to_move_three_quarters():
    found = evenness(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert found.moved == pytest.approx(0.75)
    assert found.entropy == pytest.approx(0)


def test_a_pattern_is_split_at_the_querys_own_position():
    pattern = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])
    found = split_by_order(pattern, range(1, 3))
    assert found.before.tolist() == pytest.approx([0.3, 0.75])
    assert found.itself.tolist() == pytest.approx([0.3, 0.25])
    assert found.after.tolist() == pytest.approx([0.4, 0])
    assert found.suffix[0].max_over_min == pytest.approx(4 / 3)


def test_mean_keys_of_an_input_and_itself_change_nothing(small):
    tokens = Brackets().encode(["(" * 40])[0]
    _, cache = small.run_with_cache(tokens[None], ["blocks.0.attn.hook_pattern"])
    found = pattern_with_mean_keys(small, tokens, tokens, 0)
    torch.testing.assert_close(found, cache["blocks.0.attn.hook_pattern"][0], atol=1e-6, rtol=1e-5)


def test_mean_patterns_are_the_mean_over_examples(small, strings):
    _, cache = small.run_with_cache(strings.tokens)
    found = mean_patterns(small, strings)
    torch.testing.assert_close(found[1], cache["blocks.1.attn.hook_pattern"].mean(0))


def test_the_public_queries_and_keys_are_golden(public):
    left, right = Brackets().encode(["(" * 40, ")" * 40])
    for tokens, name in ((left, "left"), (right, "right")):
        q, k = queries_and_keys(public.model, tokens, 0)
        for found, golden in ((q, f"q0_all_{name}"), (k, f"k0_all_{name}")):
            scale = public.tensors[golden].abs().max().item()
            torch.testing.assert_close(found, public.tensors[golden], atol=1e-5 * scale, rtol=0)


def test_the_public_patched_patterns_are_golden(public):
    left, right = Brackets().encode(["(" * 40, ")" * 40])
    for tokens, other, name in ((left, right, "left"), (right, left, "right")):
        found = pattern_with_mean_keys(public.model, tokens, other, 0)
        golden = public.tensors[f"attn_layer0_{name}_queries_avg_keys"]
        torch.testing.assert_close(found, golden, atol=1e-5, rtol=0)


def test_the_public_attention_of_an_open_query_is_golden_and_nearly_even(public):
    left = Brackets().encode(["(" * 40])[0]
    full = (public.examples.tokens != 1).all(1) & (public.examples.labels == 1)
    found = attention_with_queries_of(public.model, public.examples[full], left, 0, 1).mean(0)
    golden = public.tensors["attn_layer0_query1_open_patched_mean_5000"]
    torch.testing.assert_close(found, golden, atol=1e-5, rtol=0)
    summary = public.values["attn_h00_query1_open_patched_summary_5000"]["value"]
    assert evenness(found[0]).entropy == pytest.approx(summary["entropy_over_log42"], abs=1e-5)
    assert evenness(found[0, 1:41]).max_over_min == pytest.approx(
        summary["max_over_min_positions_1_to_40"], abs=1e-3
    )


def test_the_public_mean_patterns_are_golden(public):
    opening = public.examples[public.examples.concepts["starts_open"]]
    golden = public.tensors["mean_attn_patterns_starts_open_5000"]
    torch.testing.assert_close(mean_patterns(public.model, opening), golden, atol=1e-5, rtol=0)
