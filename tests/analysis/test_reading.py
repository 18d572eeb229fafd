from __future__ import annotations

import pytest
import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.attention import attention_patterns
from algoscope.analysis.batching import Batches
from algoscope.analysis.reading import values_at
from algoscope.errors import UserError


@pytest.mark.parametrize("site", ["hook_resid_pre", "attn.hook_z", "hook_resid_post"])
@pytest.mark.parametrize("position", [None, 0, 3])
def test_a_value_read_is_the_one_in_the_models_cache(small, strings, site, position):
    _, cache = small.run_with_cache(strings.tokens)
    golden = cache[f"blocks.1.{site}"] if position is None else cache[f"blocks.1.{site}"][:, position]
    torch.testing.assert_close(
        values_at(small, strings, f"blocks.1.{site}", position), golden, atol=1e-5, rtol=1e-5
    )


def test_a_patterns_position_is_the_querys(small, strings):
    _, cache = small.run_with_cache(strings.tokens)
    found = values_at(small, strings, "blocks.0.attn.hook_pattern")
    torch.testing.assert_close(found, cache["blocks.0.attn.hook_pattern"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        attention_patterns(small, strings, "1.0"), cache["blocks.1.attn.hook_pattern"][:, 0]
    )


def test_a_site_that_is_not_there_is_an_error(small, strings):
    with pytest.raises(UserError, match="did you mean"):
        values_at(small, strings, "blocks.0.hook_resid_pr")


def test_every_input_is_in_one_batch_and_comes_back_in_its_place(padded_model, strings):
    batches = Batches(padded_model, strings, 0)
    parts = list(batches)
    restored = batches.restored(
        [torch.nn.functional.pad(part, (0, 42 - part.shape[1]), value=1) for part in parts]
    )
    assert torch.equal(restored, strings.tokens)


def test_no_examples_give_no_logits(small, strings):
    assert answer_logits(small, strings[:0]).shape == (0, 2)
