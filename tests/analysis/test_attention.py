from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attention import attention_from, attention_patterns
from algoscope.errors import UserError
from algoscope.model.head import Head


def test_attention_is_the_models_pattern_at_that_head_and_query(small, strings):
    _, cache = small.run_with_cache(strings.tokens, ["blocks.1.attn.hook_pattern"])
    found = attention_from(small, strings, Head(1, 0), 4)
    golden = cache["blocks.1.attn.hook_pattern"][:, 0, 4]
    torch.testing.assert_close(found, golden, atol=1e-6, rtol=1e-5)


def test_attention_of_no_examples_is_empty(small, strings):
    assert attention_from(small, strings[:0], Head(0, 0), 0).shape == (0, strings.tokens.shape[1])
    nowhere = torch.zeros_like(strings.answered)
    assert attention_from(small, strings, Head(0, 0), nowhere).shape == (0, strings.tokens.shape[1])


def test_attention_from_marked_places_is_a_row_each_with_nothing_on_padding(small, strings):
    mask = strings.tokens == 3
    whole = attention_patterns(small, strings, Head(0, 0))
    found = attention_from(small, strings, Head(0, 0), mask)
    torch.testing.assert_close(found, whole[mask], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)))


@pytest.mark.parametrize("head", ["2.0", "0.9"])
def test_a_head_that_does_not_exist_is_named(small, strings, head):
    with pytest.raises(UserError, match=f"head {head} does not exist: the model has layers 0-1"):
        attention_from(small, strings, Head.parse(head), 0)


def test_the_public_elevation_heads_mean_attention_is_golden(public):
    open_first = public.examples[public.examples.concepts["starts_open"]]
    found = attention_from(public.model, open_first, Head(2, 0), 0).mean(0)
    golden = public.tensors["attn_20_query0_mean_starts_open_5000"]
    torch.testing.assert_close(found, golden, atol=1e-5, rtol=0)
